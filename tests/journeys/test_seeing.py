"""What each kind of recruiter sees, in a real browser: search, Back, keys alone, and why not."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from tests.journeys.conftest import Demo, Person

pytestmark = pytest.mark.browser

MOST_TABS = 60


def test_three_kinds_of_recruiters_see_what_is_theirs_and_read_why(
    demo: Demo, person, ada: Person
) -> None:
    sam, remy = person("sam@acme.example"), person("remy@acme.example")
    _searches_filters_and_goes_back(sam.page)
    sam.keeps_picture("60-list-filtered")
    _goes_by_keys_alone_to_a_requisition(sam.page)
    sam.keeps_picture("61-requisition")
    hidden = _greenhouse_id_of_one_that_only_sam_sees(sam, remy)
    _asks_why(remy, ada, hidden)
    for name, words in (
        ("uma", "Nobody in Greenhouse has your address"),
        ("dana", "Your Greenhouse account is deactivated"),
    ):
        nobody = person(f"{name}@acme.example")
        expect(nobody.page.get_by_text(words)).to_be_visible()
        nobody.page.get_by_role("link", name="See each step").click()
        expect(nobody.page.get_by_label("Requisition")).to_be_visible()


def _total(page: Page) -> str:
    return " ".join(page.locator("#job-count").inner_text().split())


def _searches_filters_and_goes_back(page: Page) -> None:
    """While typing the list narrows; Back leads to what was there before, not through letters."""
    all_of_them = _total(page)
    first = page.locator("#job-table th a").last.inner_text()
    word = first.split()[-1].lower()
    page.get_by_label("Search", exact=True).press_sequentially(word, delay=40)
    expect(page.locator("#job-count")).to_contain_text(f"for “{word}”")
    expect(page).to_have_url(re.compile(rf"\?q={re.escape(word)}$"))
    expect(page.get_by_label("Search", exact=True)).to_be_focused()
    found = _total(page)

    _opens_the_filters(page)
    page.get_by_label("At least").select_option("2")
    expect(page).to_have_url(re.compile(r"least=2"))
    page.go_back()
    expect(page.locator("#job-count")).to_have_text(re.compile(re.escape(found)))
    expect(page.get_by_label("Search", exact=True)).to_have_value(word)
    page.go_back()
    expect(page.locator("#job-count")).to_have_text(re.compile(rf"^\s*{re.escape(all_of_them)}"))

    _opens_the_filters(page)
    stage = page.get_by_label("Active applications in")
    stage.select_option(index=1)
    name = stage.locator("option:checked").inner_text()
    expect(page.locator("#job-table tbody tr").first).to_contain_text(f"in {name}")


def _opens_the_filters(page: Page) -> None:
    if not page.get_by_label("At least").is_visible():
        page.locator(".job-filters > summary").click()


def _goes_by_keys_alone_to_a_requisition(page: Page) -> None:
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


def _greenhouse_id_of_one_that_only_sam_sees(sam: Person, remy: Person) -> str:
    shown = {}
    for who in (sam, remy):
        who.goes_to("/requisitions/?status=open")
        links = who.page.locator("#job-table th a")
        shown[who] = {link.get_attribute("href") for link in links.all()}
    sam.goes_to(min(shown[sam] - shown[remy], key=str))
    away = sam.page.get_by_role("link", name="Open in Greenhouse").get_attribute("href")
    return str(away).rsplit("/", 1)[-1]


def _asks_why(remy: Person, ada: Person, hidden: str) -> None:
    """Remy learns nothing of it but how to get in; Ada, asking about him, reads what is missing."""
    remy.page.get_by_role("link", name="Why can’t I see one?").click()
    remy.page.get_by_label("Requisition").fill(hidden)
    remy.page.get_by_role("button", name="Explain").click()
    answer = remy.page.locator("#answer")
    expect(answer).to_contain_text("Not seen")
    expect(answer).to_contain_text("Nothing that can be told of fits")
    expect(answer).to_contain_text("last read from Greenhouse on")
    remy.keeps_picture("62-why")
    ada.goes_to("/requisitions/why/")
    ada.page.get_by_label("Who cannot see it").select_option(
        label="Remy Laurent (remy@acme.example)"
    )
    ada.page.get_by_label("Requisition").fill(hidden)
    ada.page.get_by_role("button", name="Explain").click()
    expect(ada.page.locator("#answer")).to_contain_text("lists no grant of this requisition")
    expect(ada.page.locator("#answer")).to_contain_text("Who can do that")
    ada.keeps_picture("63-why-admin")
