"""Acting in a real browser: undo in and after the window, a conflict, many at once, keys alone."""

from __future__ import annotations

import re

import httpx
import pytest
from playwright.sync_api import Locator, Page, Route, expect

from integrations.greenhouse import sandbox as greenhouse
from tests.journeys.conftest import PATIENCE, Demo, Person

pytestmark = pytest.mark.browser

ROW = re.compile(r"/row/$")


@pytest.fixture
def remy(demo: Demo, person) -> Person:
    """At his first requisition, with Greenhouse connected."""
    ada = person("ada@acme.example")
    ada.goes_to("/set-up/credential/")
    ada.page.get_by_label("Client ID").fill(greenhouse.ACME_V3_CLIENT_ID)
    ada.page.get_by_label("Client secret", exact=True).fill(greenhouse.ACME_V3_CLIENT_SECRET)
    ada.page.get_by_role("button", name="Try and save").click()
    expect(ada.page.get_by_text("Everything is granted")).to_be_visible(timeout=PATIENCE)
    ada.goes_to("/set-up/sync/")
    expect(ada.page.get_by_text("Everything has been read")).to_be_visible(timeout=PATIENCE)
    somebody = person("remy@acme.example")
    somebody.page.locator("#job-table tbody a").first.click()
    somebody.page.wait_for_url(re.compile(r"/requisitions/\d+/"))
    return somebody  # type: ignore[no-any-return]


def _advancing(page: Page) -> list[Locator]:
    """The rows in which Advance is on, each by its own id."""
    button = page.get_by_role("button", name=re.compile("^Advance"), disabled=False)
    rows = page.locator("tr[id^=application-]").filter(has=button)
    return [page.locator(f"tr#{row.get_attribute('id')}") for row in rows.all()]


def _fault(demo: Demo, **words: object) -> None:
    httpx.post(f"{demo.greenhouse}/__faults", json=words).raise_for_status()


def test_undo_in_the_window_and_after_it_and_a_conflict(demo: Demo, remy: Person) -> None:
    page = remy.page
    row, other = _advancing(page)[:2]
    row.get_by_role("link", name="Reject").click()
    row.get_by_label("Reason").select_option(index=1)
    row.get_by_role("button", name="Reject").click()
    expect(row).to_contain_text("goes to Greenhouse in")
    row.get_by_role("button", name="Undo").click()
    expect(row).to_contain_text("Taken back in time")

    row.get_by_role("link", name="Reject").click()
    row.get_by_role("button", name="Reject").click()  # the last reason stands there already
    expect(row).to_contain_text("goes to Greenhouse in")
    remy.keeps_picture("50-held")
    expect(row).to_contain_text("Rejected in Greenhouse", timeout=PATIENCE)
    row.get_by_role("button", name="Undo").click()
    expect(row).to_contain_text("Active again in Greenhouse", timeout=PATIENCE)

    # Somebody advances the other one in another window; this screen is stale.
    second = page.context.new_page()
    second.goto(page.url)
    same = second.locator(f"tr#{other.get_attribute('id')}")
    same.get_by_role("button", name=re.compile("^Advance")).click()
    expect(same).to_contain_text("Advanced in Greenhouse", timeout=PATIENCE)
    other.get_by_role("button", name=re.compile("^Advance")).click()
    expect(other).to_contain_text("Changed meanwhile", timeout=PATIENCE)
    remy.keeps_picture("51-conflict")
    other.get_by_role("button", name="Skip").click()
    expect(other).not_to_contain_text("Changed meanwhile")


def test_many_at_once_with_three_failures_of_which_only_they_are_tried_again(
    demo: Demo, remy: Person
) -> None:
    page = remy.page
    ticked = _advancing(page)[:5]
    for row in ticked:
        row.get_by_role("checkbox").check()
    page.get_by_role("button", name="Advance…").click()
    _fault(demo, regex="/move$", method="POST", status=403, times=3, body={"message": "No"})
    remy.keeps_picture("52-bulk-look")
    page.get_by_role("button", name=f"Advance {len(ticked)} applications").click()
    expect(page.get_by_text("Goes to Greenhouse in")).to_be_visible()
    told = page.locator("#batch-state")
    expect(told).to_contain_text(
        f"{len(ticked) - 3} done in Greenhouse, 3 not done", timeout=PATIENCE
    )
    first = page.locator("#batch tbody tr").first
    expect(first).to_contain_text("Refused")
    remy.keeps_picture("54-bulk-failures")
    page.get_by_role("button", name="Try only the 3 again").click()
    expect(told).to_contain_text("3 done in Greenhouse", timeout=PATIENCE)


def _rejecting(row: Locator, *, reason: int | None = None) -> Locator:
    """Reject it from its row; its Undo, while it counts down."""
    row.get_by_role("link", name="Reject").click()
    if reason is not None:
        row.get_by_label("Reason").select_option(index=reason)
    row.get_by_role("button", name="Reject").click()
    expect(row).to_contain_text("goes to Greenhouse in")
    return row.get_by_role("button", name="Undo")


def _polls(page: Page, count: int = 2) -> None:
    """Wait until rows were asked for so often."""
    for _ in range(count):
        with page.expect_response(ROW):
            pass
    page.wait_for_timeout(100)


def test_a_press_that_lasts_longer_than_a_row_stands_is_a_click(demo: Demo, remy: Person) -> None:
    page = remy.page
    row = _advancing(page)[0]
    undo = _rejecting(row, reason=1)
    undo.hover()
    page.mouse.down()
    _polls(page)
    page.mouse.up()
    expect(row).to_contain_text("Taken back in time")

    undo = _rejecting(row)
    undo.focus()
    page.keyboard.down("Space")
    _polls(page)
    page.keyboard.up("Space")
    expect(row).to_contain_text("Taken back in time")

    # A press elsewhere, and one that has ended, keep no row from being shown as it stands.
    undo = _rejecting(row)
    page.locator("h1").hover()
    page.mouse.down()
    left = row.locator(".num").inner_text()
    expect(row.locator(".num")).not_to_have_text(left)
    page.mouse.up()
    expect(row).to_contain_text("Rejected in Greenhouse", timeout=PATIENCE)


def test_a_row_whose_application_is_gone_says_so_and_asks_no_more(demo: Demo, remy: Person) -> None:
    page, live = remy.page, remy.page.locator("#live")
    row, other, third = _advancing(page)[:3]
    asked: list[str] = []

    def answered(status: int):
        def answer(route: Route) -> None:
            asked.append(route.request.url)
            route.fulfill(status=status, body="<!doctype html><h1>No</h1>")

        return answer

    gone = "no longer here, or no longer open to you"
    page.route(ROW, answered(404))
    row.get_by_role("button", name=re.compile("^Advance")).click()
    expect(row).to_contain_text(gone)
    expect(live).to_contain_text(gone)
    expect(row).not_to_have_attribute("aria-busy", "true")
    page.wait_for_timeout(1500)
    assert len(asked) == 1
    page.unroute(ROW)

    asked.clear()
    page.route(ROW, answered(503))
    other.get_by_role("button", name=re.compile("^Advance")).click()
    page.wait_for_timeout(4000)
    assert 1 <= len(asked) <= 3, "less often while nobody answers"
    page.unroute(ROW)
    expect(other).to_contain_text("Advanced in Greenhouse", timeout=PATIENCE)

    number = third.get_attribute("id").removeprefix("application-")
    remote = demo.remote_id_of(int(number))
    httpx.post(
        f"{demo.greenhouse}/__mutate",
        json={"action": "delete_application", "application_id": remote},
    ).raise_for_status()
    third.get_by_role("button", name=re.compile("^Advance")).click()
    for place in (third, live):
        expect(place).to_contain_text("Greenhouse no longer has this record", timeout=PATIENCE)
    expect(third).to_contain_text(gone)
    expect(third).not_to_have_attribute("aria-busy", "true")
    assert not third.get_by_role("button").count()


def test_an_error_in_a_row_has_the_focus_and_is_spoken(demo: Demo, remy: Person) -> None:
    page = remy.page
    row = _advancing(page)[0]
    row.get_by_role("link", name="Reject").click()
    expect(row).to_be_focused()
    row.get_by_role("button", name="Reject").click()
    expect(row.locator(".callout")).to_contain_text("Choose a reason")
    expect(row.locator(".callout")).to_be_focused()
    expect(page.locator("#live")).to_contain_text("Choose a reason")


def _is_at(page: Page, number: int) -> None:
    """Wait for this place of the sitting, and for its keys."""
    expect(page.locator("#review-place")).to_contain_text(f"{number} of")
    page.wait_for_load_state()


def _first_that_advances(page: Page) -> int:
    """Go on in the sitting to where Advance is on; its place."""
    number = 1
    while not page.locator("#review-advance").count():  # in the last stage already
        page.keyboard.press("j")
        number += 1
        _is_at(page, number)
    return number


def test_the_card_of_a_review_follows_what_comes_of_a_decision(demo: Demo, remy: Person) -> None:
    page, keys = remy.page, remy.page.keyboard
    page.get_by_role("button", name="Review one by one").click()
    card = page.locator("#review-card")
    _is_at(page, 1)
    number = _first_that_advances(page)
    keys.press("r")
    page.locator("[name=reason]").select_option(index=1)
    page.get_by_role("button", name="Reject and go on").click()
    _is_at(page, number + 1)
    keys.press("k")
    _is_at(page, number)
    expect(card).to_contain_text("goes to Greenhouse in")
    card.get_by_role("button", name="Undo").focus()
    expect(card).to_contain_text("Rejected in Greenhouse", timeout=PATIENCE)
    expect(card.get_by_role("button", name="Unreject")).to_be_visible()
    assert page.evaluate("document.activeElement.closest('#review-card') !== null")
    keys.press("b")
    _is_at(page, number + 1)
    keys.press("k")
    _is_at(page, number)
    expect(card).to_contain_text("Active again in Greenhouse", timeout=PATIENCE)
    expect(card.locator("#review-advance")).to_be_visible()


def test_review_goes_by_keys_alone(demo: Demo, remy: Person) -> None:
    page, keys = remy.page, remy.page.keyboard
    page.get_by_role("button", name="Review one by one").focus()
    keys.press("Enter")
    _is_at(page, 1)
    keys.press("?")
    expect(page.get_by_text("Undo the newest decision")).to_be_visible()
    remy.keeps_picture("55-review")
    keys.press("?")
    number = _first_that_advances(page)
    keys.press("a")
    expect(page.locator("#decisions")).to_contain_text("Advanced in Greenhouse", timeout=PATIENCE)
    keys.press("r")
    expect(page.locator("[name=reason]")).to_be_focused()
    keys.press("ArrowDown")
    for _ in range(6):  # past the note and the e-mail, to the button
        keys.press("Tab")
        if page.locator("button:focus", has_text="Reject and go on").count():
            break
    keys.press("Enter")
    expect(page.locator("#decisions")).to_contain_text("Reject:")
    keys.press("u")
    expect(page.locator("#decisions")).to_contain_text("Taken back", timeout=PATIENCE)
    remy.keeps_picture("56-review-decided")
    keys.press("k")
    _is_at(page, number + 1)
