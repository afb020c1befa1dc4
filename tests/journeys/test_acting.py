"""Acting in a real browser: undo in and after the window, a conflict, many at once, keys alone."""

from __future__ import annotations

import re

import httpx
import pytest
from playwright.sync_api import Locator, Page, expect

from integrations.greenhouse import sandbox as greenhouse
from tests.journeys.conftest import PATIENCE, Demo, Person

pytestmark = pytest.mark.browser


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


def test_review_goes_by_keys_alone(demo: Demo, remy: Person) -> None:
    page, keys = remy.page, remy.page.keyboard
    page.get_by_role("button", name="Review one by one").focus()
    keys.press("Enter")
    place = page.locator("#review-place")
    expect(place).to_contain_text("1 of")
    keys.press("?")
    expect(page.get_by_text("Undo the newest decision")).to_be_visible()
    remy.keeps_picture("55-review")
    keys.press("?")
    number = 1
    while not page.locator("#review-advance").count():  # in the last stage already
        keys.press("j")
        number += 1
        expect(place).to_contain_text(f"{number} of")
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
    expect(place).to_contain_text(f"{number + 1} of")
