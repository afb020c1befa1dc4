"""What recruiters see in a real browser: search, filters, Back, keyboard, explanations."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from tests.journeys.conftest import Demo, Person, get_visible_text

pytestmark = pytest.mark.browser

MOST_TABS = 60


@pytest.mark.slow("walks many pages")
def test_recruiters_see_own_jobs_and_reasons(demo: Demo, person, ada: Person) -> None:
    sam, remy = person("sam@acme.example"), person("remy@acme.example")
    _search_filter_and_go_back(sam.page)
    sam.check_page("60-list-filtered")
    _open_requisition_by_keyboard(sam.page)
    sam.check_page("61-requisition")
    hidden = _find_job_only_sam_sees(sam, remy)
    _ask_why_hidden(remy, ada, hidden)
    for name, message in (
        ("uma", "No Greenhouse user has your email"),
        ("dana", "Your Greenhouse account is deactivated"),
    ):
        unmatched = person(f"{name}@acme.example")
        expect(get_visible_text(unmatched.page, message)).to_be_visible()
        unmatched.page.get_by_role("link", name="See why").click()
        expect(unmatched.page.get_by_role("heading", name="Your access")).to_be_visible()
        expect(get_visible_text(unmatched.page, "How to fix it")).to_be_visible()
        expect(unmatched.page.get_by_label("Requisition", exact=True)).to_have_count(0)
        unmatched.check_page(f"62-no-access-{name}")


def _read_count(page: Page) -> str:
    return " ".join(page.locator("#job-count").inner_text().split())


def _search_filter_and_go_back(page: Page) -> None:
    """Typing narrows the list; Back skips the single letters."""
    whole_count = _read_count(page)
    first = page.locator("#job-table th a").last.inner_text()
    word = first.split()[-1].lower()
    page.get_by_label("Search", exact=True).press_sequentially(word, delay=40)
    expect(page.locator("#job-count")).to_contain_text(f"for “{word}”")
    expect(page).to_have_url(re.compile(rf"\?q={re.escape(word)}$"))
    expect(page.get_by_label("Search", exact=True)).to_be_focused()
    narrowed_count = _read_count(page)

    _open_filters(page)
    page.get_by_label("Minimum candidates").select_option("2")
    expect(page).to_have_url(re.compile(r"min_active=2"))
    page.go_back()
    expect(page.locator("#job-count")).to_have_text(re.compile(re.escape(narrowed_count)))
    expect(page.get_by_label("Search", exact=True)).to_have_value(word)
    page.go_back()
    expect(page.locator("#job-count")).to_have_text(re.compile(rf"^\s*{re.escape(whole_count)}"))

    _open_filters(page)
    stage = page.get_by_label("Has candidates in")
    stage.select_option(index=1)
    name = stage.locator("option:checked").inner_text()
    expect(page.locator("#job-table tbody tr").first).to_contain_text(f"in {name}")


def _open_filters(page: Page) -> None:
    filters = page.locator(".job-filters")
    if filters.get_attribute("open") is None:
        filters.locator("> summary").click()
    expect(page.get_by_label("Minimum candidates")).to_be_visible()


def _open_requisition_by_keyboard(page: Page) -> None:
    page.reload()
    link = page.locator("#job-table th a").first
    title = link.inner_text()
    for _ in range(MOST_TABS):
        page.keyboard.press("Tab")
        if link.evaluate("link => link === document.activeElement"):
            break
    expect(link).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text(title)


def _find_job_only_sam_sees(sam: Person, remy: Person) -> str:
    shown = {}
    for recruiter in (sam, remy):
        recruiter.open_path("/requisitions/?status=open")
        expect(recruiter.page.locator("#job-table th a").first).to_be_visible()
        links = recruiter.page.locator("#job-table th a")
        shown[recruiter] = {link.get_attribute("href") for link in links.all()}
    sam.open_path(min(shown[sam] - shown[remy], key=str))
    link = sam.page.get_by_role("link", name="View in Greenhouse").get_attribute("href")
    return str(link).rsplit("/", 1)[-1]


def _ask_why_hidden(remy: Person, ada: Person, hidden: str) -> None:
    """Remy learns only how to get access; Ada, asking about him, reads what is missing."""
    remy.page.get_by_role("link", name="Missing a requisition?").click()
    remy.page.get_by_label("Requisition", exact=True).fill(hidden)
    remy.page.get_by_role("button", name="Check access").click()
    answer = remy.page.locator("#answer")
    expect(answer).to_contain_text("Not visible")
    expect(answer).to_contain_text("No requisition you can access matches that")
    expect(answer).to_contain_text("last synced on")
    remy.check_page("62-why")
    ada.open_path("/requisitions/access/")
    ada.page.get_by_label("Person").select_option(label="Remy Laurent (remy@acme.example)")
    ada.page.get_by_label("Requisition", exact=True).fill(hidden)
    ada.page.get_by_role("button", name="Check access").click()
    expect(ada.page.locator("#answer")).to_contain_text("granted this account the requisition")
    expect(ada.page.locator("#answer")).to_contain_text("Who can fix it")
    ada.check_page("63-why-admin")
