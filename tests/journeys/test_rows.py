"""Rows in a real browser: they stay put, say each thing once, and keep the focus."""

from __future__ import annotations

import re

import httpx
import pytest
from playwright.sync_api import Locator, Page, Route, expect

from tests.journeys.conftest import (
    TIMEOUT_MS,
    Demo,
    Person,
    check_accessibility,
    find_rows,
    get_visible_text,
)

pytestmark = pytest.mark.browser

WIDTHS = [(1280, 900), (390, 844)]
ROWS = "tr[id^=application-]"
RECORD_EVENTS = """() => {
    window.recorded = { focus: [], said: [], swaps: 0 };
    document.addEventListener("focusin", (event) => recorded.focus.push(event.target.id));
    document.addEventListener("htmx:afterSwap", (event) => {  // not the preview of an email
        if (event.detail.target.id.startsWith("application-")) recorded.swaps++;
    });
    const live = document.getElementById("live");
    const record = () => live.textContent && recorded.said.push(live.textContent);
    const changes = { childList: true, characterData: true, subtree: true };
    new MutationObserver(record).observe(live, changes);
}"""
READ_POSITIONS = """() => Array.from(document.querySelectorAll("tr[id^=application-]"), (row) => {
    const box = row.getBoundingClientRect();
    return [row.id, box.top + scrollY, box.height];
})"""
COUNT_ABOVE_FOLD = """() => Array.from(document.querySelectorAll("tr[id^=application-]")).filter(
    (row) => row.getBoundingClientRect().bottom <= innerHeight).length"""

SUM_LAYOUT_SHIFTS = """() => {
    window.shifted = 0;
    const add = (list) => list.getEntries().forEach((entry) => (window.shifted += entry.value));
    new PerformanceObserver(add).observe({ type: "layout-shift", buffered: true });
}"""


@pytest.fixture
def remy(connected_demo: Demo, person) -> Person:
    """A recruiter at his first requisition."""
    recruiter: Person = person("remy@acme.example")
    recruiter.page.locator("#job-table tbody a").first.click()
    recruiter.page.wait_for_url(re.compile(r"/requisitions/\d+/"))
    recruiter.page.wait_for_load_state()
    return recruiter


def _press(row: Locator, name: str) -> None:
    row.get_by_role("button", name=re.compile(f"^{name}")).click()


@pytest.mark.parametrize("font", ["at once", "late"])
def test_nothing_moves_while_page_loads(remy: Person, font: str) -> None:
    page = remy.page

    def load_late(route: Route) -> None:
        page.wait_for_timeout(500)
        route.continue_()

    if font == "late":
        page.route("**/*.woff2", load_late)
    page.add_init_script(f"({SUM_LAYOUT_SHIFTS})()")
    for path in ("/requisitions/", page.url.removeprefix(remy.demo.url)):
        remy.open_path(path)
        page.wait_for_load_state("networkidle")
        assert page.evaluate("window.shifted") < 0.02, path


def _submit_rejection(page: Page, row: Locator) -> None:
    _press(row, "Reject")
    expect(page.get_by_label("Reason")).to_be_focused()
    page.get_by_label("Reason").select_option(index=1)
    page.locator("#action-dialog").get_by_role("button", name=re.compile("^Reject")).click()
    expect(row).to_contain_text("Rejecting in")


class _Positions:
    """Where the rows are; `check` fails if one has moved or changed its height."""

    def __init__(self, page: Page) -> None:
        self._page, self._before = page, page.evaluate(READ_POSITIONS)

    def check(self, after: str) -> None:
        for before, now in zip(self._before, self._page.evaluate(READ_POSITIONS), strict=True):
            assert before[0] == now[0], after
            assert before[1:] == pytest.approx(now[1:], abs=1), f"{now[0]} after {after}"


@pytest.mark.parametrize(("width", "height"), WIDTHS)
def test_no_row_moves_through_any_action(demo: Demo, remy: Person, width: int, height: int) -> None:
    page = remy.page
    page.set_viewport_size({"width": width, "height": height})
    advanced, moved, rejected, changed, refused, *_ = find_rows(page)
    positions = _Positions(page)

    _press(advanced, "Advance")
    positions.check("click on Advance")
    expect(advanced).to_contain_text("Advanced to", timeout=TIMEOUT_MS)
    positions.check("advance")
    _press(advanced, "Undo")
    expect(advanced).to_contain_text("Undone.", timeout=TIMEOUT_MS)
    positions.check("undo of advance")

    _press(moved, "More actions")
    page.get_by_role("link", name=re.compile("^Move to a stage")).click()
    positions.check("opened form")
    page.get_by_label("Stage", exact=True).select_option(index=1)
    page.locator("#action-dialog").get_by_role("button", name=re.compile("^Move")).click()
    expect(moved).to_contain_text("Moved to", timeout=TIMEOUT_MS)
    positions.check("move")

    _submit_rejection(page, rejected)
    positions.check("held rejection")
    _press(rejected, "Undo")
    expect(rejected).to_contain_text("canceled. Nothing was sent.")
    positions.check("canceled rejection")
    _submit_rejection(page, rejected)
    demo.end_holds()
    expect(rejected).to_contain_text("Rejected.", timeout=TIMEOUT_MS)
    positions.check("rejection")
    _press(rejected, "Unreject")
    expect(rejected).to_contain_text("Unrejected", timeout=TIMEOUT_MS)
    positions.check("unrejection")

    # Somebody advances it in Greenhouse, so this page is stale.
    number = int(changed.get_attribute("id").removeprefix("application-"))
    body = {"action": "move_application", "application_id": demo.find_remote_id(number)}
    httpx.post(f"{demo.sandbox_url}/__mutate", json=body).raise_for_status()
    _press(changed, "Advance")
    expect(changed).to_contain_text("changed since you opened it", timeout=TIMEOUT_MS)
    positions.check("conflict")
    changed.locator("summary").click()
    positions.check("opened details")
    remy.check_page(f"60-row-conflict-{width}")
    page.set_viewport_size({"width": width, "height": height})
    _press(changed, "Dismiss")
    expect(changed).not_to_contain_text("changed since")
    positions.check("dismissal")

    demo.add_fault(regex="/move$", method="POST", status=403, times=1, body={"message": "No"})
    _press(refused, "Advance")
    expect(refused).to_contain_text("Not advanced", timeout=TIMEOUT_MS)
    positions.check("failure")


@pytest.mark.parametrize("width", [1000, 1280])
def test_head_shows_when_answer_is_due(remy: Person, width: int) -> None:
    page = remy.page
    page.get_by_role("button", name="Review one by one").click()
    page.wait_for_url("**/review/**")
    page.go_back()
    page.reload()  # with the buttons of a review that has begun
    page.set_viewport_size({"width": width, "height": 900})
    label = page.locator("#answer-line > :last-child")
    expect(label).to_contain_text(re.compile("overdue|due"))
    assert label.evaluate("(label) => label.scrollWidth <= label.clientWidth")
    buttons = page.locator(".page-actions").bounding_box()
    assert buttons
    breadcrumbs = page.locator(".breadcrumbs ol > :last-child").bounding_box()
    assert breadcrumbs
    assert breadcrumbs["x"] + breadcrumbs["width"] <= buttons["x"]


def test_long_names_end_in_ellipsis(remy: Person) -> None:
    page = remy.page
    link = find_rows(page)[0].locator(".cell-title a")
    link.evaluate("(link) => { link.textContent = 'W'.repeat(200); }")
    measure = (
        "(link) => [getComputedStyle(link).webkitLineClamp, link.scrollHeight, link.clientHeight]"
    )
    lines, needed, shown = link.evaluate(measure)
    assert lines == "2"
    assert shown < needed  # the line clamp ends it, not the cell


def test_phone_shows_the_selected_filter(remy: Person) -> None:
    page = remy.page
    page.set_viewport_size({"width": 390, "height": 844})
    page.get_by_role("link", name="All", exact=True).click()
    chip = page.locator(".chips [aria-current]")
    expect(chip).to_have_text("All")
    expect(chip).to_be_in_viewport(ratio=0.9)
    page.locator(".pipeline a").last.click()
    expect(page.locator(".pipeline [aria-current]")).to_be_in_viewport(ratio=0.9)


def test_long_pill_stays_in_its_card(remy: Person) -> None:
    page = remy.page
    page.set_viewport_size({"width": 390, "height": 844})
    remy.open_path("/requisitions/")
    pill = page.locator("#job-table td .pill").first
    pill.evaluate("(pill) => { pill.append(' and checking with Greenhouse what happened'); }")
    box, table = pill.bounding_box(), page.locator("#job-table").bounding_box()
    assert box
    assert table
    assert box["x"] + box["width"] <= table["x"] + table["width"]


def test_error_in_dialog_has_no_blank_line(remy: Person) -> None:
    page = remy.page
    _press(find_rows(page)[0], "Reject")
    page.get_by_label("Reason").select_option(value="")
    page.locator("#action-dialog").get_by_role("button", name=re.compile("^Reject")).click()
    expect(page.locator("#action-dialog .callout")).to_be_visible()
    heights = "(lines) => lines.map((line) => line.getBoundingClientRect().height)"
    title, error = page.locator("#form-errors-list > p").evaluate_all(heights)
    assert error == pytest.approx(title, abs=4)


@pytest.mark.parametrize(("width", "height", "expected"), [(1280, 900, 8), (390, 844, 2)])
def test_candidates_above_the_fold(remy: Person, width: int, height: int, expected: int) -> None:
    remy.page.set_viewport_size({"width": width, "height": height})
    assert remy.page.evaluate(COUNT_ABOVE_FOLD) >= expected


def test_held_rejection_is_said_once(remy: Person) -> None:
    page = remy.page
    row = find_rows(page)[0]
    page.keyboard.press("Tab")
    reject = row.get_by_role("button", name=re.compile("^Reject"))
    reject.focus()
    page.keyboard.press("Enter")
    expect(page.get_by_label("Reason")).to_be_focused()
    page.keyboard.press("ArrowDown")
    submit = page.locator("#action-dialog").get_by_role("button", name=re.compile("^Reject"))
    submit.focus()
    page.evaluate(RECORD_EVENTS)
    page.keyboard.press("Enter")
    expect(row.get_by_role("button", name=re.compile("^Undo rejection of"))).to_be_focused()
    page.wait_for_timeout(7000)  # a poll, and more than one extension of the undo period
    recorded = page.evaluate("recorded")
    assert len(recorded["focus"]) == 1, recorded
    assert len(recorded["said"]) == 1, recorded
    assert recorded["swaps"] == 1, recorded
    assert re.match(r"Rejecting .+ in \d+ seconds. You can undo it.", recorded["said"][0])
    page.keyboard.press("Enter")
    expect(row).to_contain_text("canceled. Nothing was sent.")


def _await_stopped(countdown: Locator) -> str:
    """Return the seconds at which a countdown stays, once the response has set them."""
    for _ in range(4):
        before = countdown.inner_text()
        countdown.page.wait_for_timeout(2500)
        if countdown.inner_text() == before:
            return before
    pytest.fail(f"The countdown goes on: {countdown.inner_text()}")


def test_clock_stops_while_undo_has_the_focus(demo: Demo, remy: Person) -> None:
    page = remy.page
    row = find_rows(page)[0]
    _submit_rejection(page, row)
    countdown = row.locator("[data-countdown]")
    first = countdown.inner_text()
    expect(countdown).not_to_have_text(first)  # a mouse click does not stop it
    page.keyboard.press("Shift+Tab")
    with page.expect_response(re.compile("/extend/$")):
        page.keyboard.press("Tab")
    expect(row.get_by_role("button", name=re.compile("^Undo"))).to_be_focused()
    stopped = _await_stopped(countdown)
    page.keyboard.press("Shift+Tab")
    expect(countdown).not_to_have_text(stopped)


def test_escape_returns_to_the_row(remy: Person) -> None:
    page = remy.page
    row = find_rows(page)[0]
    for name in ("Reject", "More actions"):
        _press(row, name)
        opened = "#action-dialog" if name == "Reject" else "#row-menu"
        expect(page.locator(opened)).to_be_visible()
        page.keyboard.press("Escape")
        expect(page.locator(opened)).to_be_hidden()
        expect(row.get_by_role("button", name=re.compile(f"^{name}"))).to_be_focused()


def test_bar_for_many_follows_selection(remy: Person) -> None:
    page = remy.page
    advance = page.locator("#bulk").get_by_role("button", name="Advance…")
    expect(advance).to_have_attribute("aria-disabled", "true")
    boxes = page.locator("input[name=selected]")
    boxes.nth(0).click()
    boxes.nth(3).click(modifiers=["Shift"])
    expect(page.locator("#selected-count")).to_have_text("4 selected")
    expect(advance).not_to_have_attribute("aria-disabled", "true")
    for name in ("Transfer…", "Update…"):
        expect(page.locator("#bulk").get_by_role("button", name=name)).to_be_enabled()
    page.mouse.wheel(0, 400)
    page.set_viewport_size({"width": 1280, "height": 500})
    page.locator(ROWS).last.scroll_into_view_if_needed()
    expect(page.locator("#bulk")).to_be_in_viewport()
    boxes.nth(0).click()
    boxes.nth(3).click(modifiers=["Shift"])
    expect(page.locator("#selected-count")).to_have_text("0 selected")


def test_large_text_does_not_push_the_page(remy: Person) -> None:
    page = remy.page
    for path in (page.url.removeprefix(remy.demo.url), "/"):
        remy.open_path(path)
        for width in (1280, 320):
            page.set_viewport_size({"width": width, "height": 900})
            if width > 320:
                page.evaluate("document.documentElement.style.fontSize = '200%'")
            else:
                page.evaluate("document.documentElement.style.fontSize = ''")
            assert page.evaluate("document.documentElement.scrollWidth") <= width, (path, width)


def test_compact_rows_are_accessible(remy: Person) -> None:
    page = remy.page
    page.get_by_role("button", name="Compact rows").click()
    expect(page.locator(".application-rows.is-compact")).to_be_visible()
    name = page.locator(".application-rows .cell-title a").first
    name.evaluate("link => (link.textContent = 'Wolfeschlegelsteinhausenbergerdorff')")
    style = "link => [getComputedStyle(link).textOverflow, link.scrollWidth > link.clientWidth]"
    assert name.evaluate(style) == ["ellipsis", True], "a long name is not cut in a letter"
    check_accessibility(page, "compact rows")
    remy.check_page("61-compact-rows")
    get_visible_text(page, "How actions work").click()
    remy.open_path("/account/preferences/")
    remy.check_page("62-preferences")
