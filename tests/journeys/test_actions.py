"""A recruiter's actions in a real browser: undo, conflicts, bulk actions, review."""

from __future__ import annotations

import re

import httpx
import pytest
from playwright.sync_api import Locator, Page, Route, expect

from tests.journeys.conftest import TIMEOUT_MS, Demo, Person, find_rows, get_visible_text

pytestmark = pytest.mark.browser

ROW = re.compile(r"/row/(\?|$)")


@pytest.fixture
def remy(connected_demo: Demo, person) -> Person:
    """A recruiter at his first requisition."""
    recruiter: Person = person("remy@acme.example")
    recruiter.page.locator("#job-table tbody a").first.click()
    recruiter.page.wait_for_url(re.compile(r"/requisitions/\d+/"))
    return recruiter


def test_rejection_undo_and_conflict(demo: Demo, remy: Person) -> None:
    page = remy.page
    row, other = find_rows(page)[:2]
    _reject_row(row, reason=1).click()
    expect(row).to_contain_text("canceled. Nothing was sent.")

    _reject_row(row)  # with the reason chosen before
    remy.check_page("50-held")
    demo.end_holds()
    expect(row).to_contain_text("Rejected.", timeout=TIMEOUT_MS)
    row.get_by_role("button", name="Undo").click()
    expect(row).to_contain_text("Undone. Back in", timeout=TIMEOUT_MS)

    # Another window advances the other application; this page is now stale.
    second = page.context.new_page()
    second.goto(page.url)
    same = second.locator(f"tr#{other.get_attribute('id')}")
    same.get_by_role("button", name=re.compile("^Advance")).click()
    expect(same).to_contain_text("Advanced to", timeout=TIMEOUT_MS)
    other.get_by_role("button", name=re.compile("^Advance")).click()
    expect(other).to_contain_text("this application changed since", timeout=TIMEOUT_MS)
    remy.check_page("51-conflict")
    other.locator("summary").click()
    other.get_by_role("button", name="Dismiss").click()
    expect(other).not_to_contain_text("this application changed since")


def test_bulk_advance_retries_only_failures(demo: Demo, remy: Person) -> None:
    page = remy.page
    rows = find_rows(page)[:5]
    for row in rows:
        row.get_by_role("checkbox").check()
    page.get_by_role("button", name="Advance…").click()
    demo.add_fault(regex="/move$", method="POST", status=403, times=3, body={"message": "No"})
    remy.check_page("52-bulk-look")
    page.get_by_role("button", name=f"Advance {len(rows)} applications").click()
    expect(get_visible_text(page, "Advancing in")).to_be_visible()
    demo.end_holds()
    state = page.locator("#batch-state")
    expect(state).to_contain_text(f"{len(rows) - 3} advanced, 3 not advanced", timeout=TIMEOUT_MS)
    first = page.locator("#batch tbody tr").first
    expect(first).to_contain_text("Denied")
    remy.check_page("54-bulk-failures")
    page.get_by_role("button", name="Retry 3").click()
    expect(page.locator("#batch tbody tr")).to_have_count(3)
    demo.end_holds()
    expect(state).to_contain_text("3 advanced", timeout=TIMEOUT_MS)


def _reject_row(row: Locator, *, reason: int | None = None) -> Locator:
    """Reject from the row; return its Undo button, shown during the countdown."""
    row.get_by_role("button", name="Reject").click()
    dialog = row.page.locator("#action-dialog")
    if reason is not None:
        dialog.get_by_label("Reason").select_option(index=reason)
    dialog.get_by_role("button", name="Reject").click()
    expect(row).to_contain_text("Rejecting in")
    return row.get_by_role("button", name="Undo")


def _refresh_row(page: Page, row: Locator) -> None:
    """Have the row asked for while it is in use; the response would replace it."""
    row_id = row.get_attribute("id")
    body = f'<tr id="{row_id}"><td>Replaced</td></tr>'
    page.route(ROW, lambda route: route.fulfill(body=body))
    with page.expect_response(ROW):
        page.evaluate("id => htmx.trigger(document.getElementById(id), 'due')", row_id)
    page.wait_for_timeout(100)
    page.unroute(ROW)


def test_long_press_survives_row_refresh(demo: Demo, remy: Person) -> None:
    page = remy.page
    row = find_rows(page)[0]
    undo = _reject_row(row, reason=1)
    undo.hover()
    page.mouse.down()
    _refresh_row(page, row)
    page.mouse.up()
    expect(row).to_contain_text("canceled. Nothing was sent.")

    undo = _reject_row(row)
    undo.focus()
    page.keyboard.down("Space")
    _refresh_row(page, row)
    page.keyboard.up("Space")
    expect(row).to_contain_text("canceled. Nothing was sent.")

    # A press elsewhere does not stop rows from being refreshed.
    _reject_row(row)
    page.locator("h1").hover()
    page.mouse.down()
    demo.end_holds()
    expect(row).to_contain_text("Rejected.", timeout=TIMEOUT_MS)
    page.mouse.up()


def test_row_of_gone_application_stops_polling(demo: Demo, remy: Person) -> None:
    page, live = remy.page, remy.page.locator("#live")
    row, other, third = find_rows(page)[:3]
    requested: list[str] = []

    def answered(status: int):
        def answer(route: Route) -> None:
            requested.append(route.request.url)
            route.fulfill(status=status, body="<!doctype html><h1>No</h1>")

        return answer

    gone = "no longer available to you"
    page.route(ROW, answered(404))
    row.get_by_role("button", name=re.compile("^Advance")).click()
    expect(row).to_contain_text(gone)
    expect(live).to_contain_text(gone)
    expect(row).not_to_have_attribute("aria-busy", "true")
    page.wait_for_timeout(1500)
    assert len(requested) == 1
    page.unroute(ROW)

    requested.clear()
    page.route(ROW, answered(503))
    other.get_by_role("button", name=re.compile("^Advance")).click()
    page.wait_for_timeout(4000)
    assert 1 <= len(requested) <= 3, "polls less often while the server fails"
    page.unroute(ROW)
    expect(other).to_contain_text("Advanced to", timeout=TIMEOUT_MS)

    number = third.get_attribute("id").removeprefix("application-")
    remote = demo.find_remote_id(int(number))
    httpx.post(
        f"{demo.sandbox_url}/__mutate",
        json={"action": "delete_application", "application_id": remote},
    ).raise_for_status()
    third.get_by_role("button", name=re.compile("^Advance")).click()
    for place in (third, live):
        expect(place).to_contain_text("Greenhouse no longer has this record", timeout=TIMEOUT_MS)
    expect(third).to_contain_text(gone)
    expect(third).not_to_have_attribute("aria-busy", "true")
    expect(third.get_by_role("button")).to_have_count(0)


def test_form_error_gets_focus_and_is_said_once(demo: Demo, remy: Person) -> None:
    page = remy.page
    row = find_rows(page)[0]
    row.get_by_role("button", name="Reject").click()
    expect(page.get_by_label("Reason")).to_be_focused()
    dialog = page.locator("#action-dialog")
    dialog.get_by_role("button", name="Reject").click()
    expect(dialog.locator(".callout")).to_contain_text("Select a reason")
    expect(dialog.locator(".callout")).to_be_focused()
    expect(page.locator("#live")).not_to_contain_text("Select a reason")


def _await_place(page: Page, number: int) -> None:
    """Wait for this place of the review, and for its keyboard shortcuts."""
    expect(page.locator("#review-place")).to_contain_text(f"{number} of")
    page.wait_for_load_state()


def _go_to_advanceable(page: Page) -> int:
    """Go on to the first application that can be advanced; return its place."""
    number = 1
    while not page.locator("#review-advance").count():  # in the last stage already
        page.keyboard.press("j")
        number += 1
        _await_place(page, number)
    return number


def test_review_card_follows_decision(demo: Demo, remy: Person) -> None:
    page, keys = remy.page, remy.page.keyboard
    page.get_by_role("button", name="Review one by one").click()
    card = page.locator("#review-card")
    _await_place(page, 1)
    number = _go_to_advanceable(page)
    keys.press("r")
    page.locator("[name=reason]").select_option(index=1)
    page.locator("#action-dialog").get_by_role("button", name="Reject").click()
    _await_place(page, number + 1)
    keys.press("k")
    _await_place(page, number)
    expect(card).to_contain_text("Rejecting in")
    card.get_by_role("button", name="Undo").focus()
    demo.end_holds()
    expect(card).to_contain_text("Rejected.", timeout=TIMEOUT_MS)
    expect(card.get_by_role("button", name="Unreject")).to_be_visible()
    assert page.evaluate("document.activeElement.closest('#review-card') !== null")
    keys.press("b")
    _await_place(page, number + 1)
    keys.press("k")
    _await_place(page, number)
    expect(card).to_contain_text("Unrejected", timeout=TIMEOUT_MS)
    expect(card.locator("#review-advance")).to_be_visible()


def test_review_works_by_keyboard(demo: Demo, remy: Person) -> None:
    page, keys = remy.page, remy.page.keyboard
    page.get_by_role("button", name="Review one by one").focus()
    keys.press("Enter")
    _await_place(page, 1)
    keys.press("?")
    expect(get_visible_text(page, "Undo the latest decision")).to_be_visible()
    remy.check_page("55-review")
    keys.press("?")
    number = _go_to_advanceable(page)
    keys.press("a")
    expect(page.locator("#decisions")).to_contain_text("Advanced to", timeout=TIMEOUT_MS)
    keys.press("r")
    expect(page.locator("[name=reason]")).to_be_focused()
    keys.press("ArrowDown")
    keys.press("Enter")
    expect(page.locator("#decisions")).to_contain_text("Reject:")
    keys.press("u")
    expect(page.locator("#decisions")).to_contain_text("canceled", timeout=TIMEOUT_MS)
    remy.check_page("56-review-decided")
    keys.press("k")
    _await_place(page, number + 1)
