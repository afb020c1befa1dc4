"""Finding applications on a requisition's page with the keyboard, on a wide and a narrow screen."""

from __future__ import annotations

import csv
import re
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.journeys.conftest import (
    Demo,
    Person,
    check_accessibility,
    get_visible_text,
    keep_screenshot,
)

pytestmark = pytest.mark.browser


@pytest.mark.parametrize("width", [1280, 390])
def test_find_filter_sort_save_export_by_keyboard(connected_demo: Demo, person, width: int) -> None:
    sam = person("sam@acme.example")
    page = sam.page
    page.set_viewport_size({"width": width, "height": 900})
    page.emulate_media(color_scheme="light" if width == 1280 else "dark")
    sam.open_path("/requisitions/?sort=-active&status=open")
    page.locator("#job-table th a").first.click()
    whole_count = _read_count(page)
    _check(page, f"64-find-{width}")

    last_name = page.locator(".application-rows .cell-title a").first.inner_text().split()[-1]
    _search(sam, last_name.lower())
    assert 0 < _read_count(page) <= whole_count
    expect(page.locator("#search")).to_be_focused()
    _search(sam, "")
    expect(page.locator("#applications-count")).to_contain_text(str(whole_count))

    _open_filters(sam)
    _check(page, f"65-find-filters-{width}")
    _choose_next(sam, "#filter-source")
    expect(page).to_have_url(re.compile(r"source="))
    _choose_next(sam, "#filter-sort")
    expect(page).to_have_url(re.compile(r"sort="))
    listed_names = page.locator(".application-rows .cell-title a").all_inner_texts()
    assert listed_names

    _save_view(sam, "By source")
    expect(page.locator("#messages")).to_contain_text("Saved as “By source”")
    expect(page.get_by_role("link", name="By source", exact=True).first).to_have_attribute(
        "aria-current", "true"
    )
    _check(page, f"66-find-saved-view-{width}")
    rows = _export(sam)
    assert [row[0] for row in rows[1:]][: len(listed_names)] == listed_names


def test_closed_requisition_is_read_only(connected_demo: Demo, person) -> None:
    sam = person("sam@acme.example")
    sam.open_path("/requisitions/?status=closed")
    sam.page.locator("#job-table th a").first.click()
    expect(get_visible_text(sam.page, "This requisition is closed")).to_be_visible()
    expect(sam.page.get_by_role("button", name="Advance")).to_have_count(0)
    sam.check_page("67-closed-requisition")


def _check(page: Page, name: str) -> None:
    keep_screenshot(page, name)
    check_accessibility(page, name)


def _read_count(page: Page) -> int:
    text = page.locator("#applications-count").inner_text()
    return int(text.split()[0].replace(",", ""))


def _search(sam: Person, query: str) -> None:
    sam.page.locator("#main").focus()
    sam.tab_to("#search")
    sam.page.keyboard.press("Control+A")
    sam.page.keyboard.press("Delete")
    sam.page.keyboard.type(query)
    has_query = re.compile(rf"[?&]q={re.escape(query)}")
    if query:
        expect(sam.page).to_have_url(has_query)
    else:
        expect(sam.page).not_to_have_url(has_query)


def _open_filters(sam: Person) -> None:
    sam.tab_to(".job-filters > summary")
    sam.page.keyboard.press("Enter")
    expect(sam.page.locator("#filter-source")).to_be_visible()


def _choose_next(sam: Person, selector: str) -> None:
    sam.page.locator("#search").focus()
    sam.tab_to(selector)
    sam.page.keyboard.press("ArrowDown")


def _save_view(sam: Person, name: str) -> None:
    summary = "#applications .menu > summary:has(+ .menu-panel .job-save)"
    sam.tab_to(summary)
    sam.page.keyboard.press("Enter")
    sam.tab_to("#view-name")
    sam.page.keyboard.type(name)
    sam.page.keyboard.press("Enter")


def _export(sam: Person) -> list[list[str]]:
    sam.page.locator("#search").focus()
    sam.tab_to("#applications a[download]")
    with sam.page.expect_download() as download:
        sam.page.keyboard.press("Enter")
    text = Path(download.value.path()).read_text(encoding="utf-8-sig")
    return list(csv.reader(text.splitlines()))
