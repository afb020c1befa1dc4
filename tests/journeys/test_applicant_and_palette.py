"""The applicant page and the search palette, by keyboard, wide and narrow."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, Route, expect

from tests.journeys.conftest import (
    Demo,
    Person,
    check_accessibility,
    get_visible_text,
    keep_screenshot,
)

pytestmark = pytest.mark.browser

APPLICANT = re.compile(r"/applications/\d+/$")
WIDTHS = pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (390, "dark")])


@pytest.fixture
def remy(connected_demo: Demo, person, width: int, scheme: str) -> Person:
    recruiter: Person = person("remy@acme.example")
    recruiter.page.set_viewport_size({"width": width, "height": 900})
    recruiter.page.emulate_media(color_scheme=scheme, reduced_motion="reduce")  # type: ignore[arg-type]
    return recruiter


def _check(page: Page, name: str, width: int) -> None:
    keep_screenshot(page, f"{name}-{width}")
    check_accessibility(page, f"{name} {width}")
    overflow = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    assert page.evaluate(overflow) <= 0


@WIDTHS
def test_palette_leads_to_applicant(demo: Demo, remy: Person, width: int) -> None:
    page = remy.page
    page.locator("#job-table tbody a").first.click()
    name = page.locator(".application-rows .cell-title a").first.inner_text()
    page.wait_for_load_state()
    page.keyboard.press("Control+k")
    box = page.get_by_role("combobox", name="Search requisitions")
    expect(box).to_be_focused()
    expect(page.get_by_role("option", name="My activity")).to_be_visible()
    _check(page, "70-palette-open", width)
    page.keyboard.type(" ".join(reversed(name.split())), delay=20)
    option = page.get_by_role("option", name=name).first
    expect(option).to_be_visible()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowUp")
    expect(page.locator("[role=option][aria-selected=true]")).to_have_count(1)
    _check(page, "71-palette-results", width)
    page.keyboard.press("Escape")
    expect(box).to_be_hidden()
    page.keyboard.press("Control+k")
    expect(box).to_have_value(re.compile(name.split()[0]))
    page.keyboard.press("Control+a")
    page.keyboard.type("zzzzqq")
    expect(get_visible_text(page, "Nothing that you can see matches “zzzzqq”")).to_be_visible()
    _check(page, "72-palette-empty", width)
    page.keyboard.press("Control+a")
    page.keyboard.type(name)
    page.keyboard.press("Enter")  # before its results are there
    page.wait_for_url(APPLICANT)
    expect(page.get_by_role("heading", level=1)).to_have_text(name)
    assert page.title().startswith(name)


# An answer to fewer letters, as it arrives late.
SWAP_EARLIER_ANSWER = """() => {
    const target = document.getElementById("palette-results");
    const requestConfig = { parameters: { q: "earlier" }, elt: target };
    htmx.trigger(target, "htmx:afterSwap", { target, requestConfig });
}"""


def test_enter_waits_for_its_own_results(connected_demo: Demo, person) -> None:
    page = person("remy@acme.example").page
    page.locator("#job-table tbody a").first.click()
    name = page.locator(".application-rows .cell-title a").first.inner_text()
    page.wait_for_load_state()
    page.keyboard.press("Control+k")
    expect(page.get_by_role("option", name="My activity")).to_be_visible()

    def answer_late(route: Route) -> None:
        page.keyboard.press("Enter")
        page.evaluate(SWAP_EARLIER_ANSWER)
        route.continue_()

    page.route(re.compile(r"[?&]q="), answer_late, times=1)
    page.get_by_role("combobox", name="Search requisitions").fill(name)
    page.wait_for_url(APPLICANT)
    expect(page.get_by_role("heading", level=1)).to_have_text(name)


@WIDTHS
def test_applicant_page_by_keyboard(demo: Demo, remy: Person, width: int) -> None:
    page = remy.page
    page.locator("#job-table tbody a").first.click()
    button = page.get_by_role("button", name=re.compile("^Advance"), disabled=False)
    row = page.locator("tr[id^=application-]").filter(has=button).first
    row.locator(".cell-title a").focus()
    page.keyboard.press("Enter")
    page.wait_for_url(APPLICANT)
    expect(page.locator(".skeleton:visible")).to_have_count(0)
    expect(page.locator(".step-trail")).to_be_visible()
    _check(page, "73-applicant", width)

    remy.tab_to("a[id^=reject-]")
    page.keyboard.press("Enter")
    page.get_by_label("Reason").select_option(index=1)
    remy.tab_to(".action-form button[type=submit]")
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile("#decision"))
    card = page.locator("#decision")
    expect(card).to_contain_text("Rejecting in")
    _check(page, "74-applicant-held", width)
    remy.tab_to("#decision button[id^=undo-]")
    page.keyboard.press("Enter")
    expect(card).to_contain_text("canceled. Nothing was sent.")

    remy.tab_to("button[id^=advance-]")
    page.keyboard.press("Enter")
    expect(card).to_contain_text("Advanced to")
    expect(card.get_by_role("button", name="Undo")).to_be_visible()
    expect(get_visible_text(page, "Done").first).to_be_visible()
    _check(page, "75-applicant-advanced", width)


def test_applicant_and_search_without_scripts(connected_demo: Demo, person) -> None:
    remy: Person = person("remy@acme.example", scripts=False)
    page = remy.page
    page.get_by_role("link", name="Search", exact=True).click()
    page.get_by_role("searchbox", name="Search the portal").fill("activity")
    page.keyboard.press("Enter")
    page.get_by_role("link", name="My activity").last.click()
    page.wait_for_url(re.compile("/activity/"))
    remy.open_path("/requisitions/")
    page.locator("#job-table tbody a").first.click()
    page.locator(".application-rows .cell-title a").first.click()
    page.get_by_role("link", name="Load details").click()
    expect(get_visible_text(page, "from Greenhouse just now")).to_be_visible()
