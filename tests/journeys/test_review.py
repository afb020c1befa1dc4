"""A recruiter's morning: one review over all requisitions, by keyboard alone."""

from __future__ import annotations

import re
import statistics
import sys

import httpx
import pytest
from playwright.sync_api import Page, expect

from tests.journeys.conftest import TIMEOUT_MS, Demo, Person, get_visible_text, keep_screenshot

pytestmark = pytest.mark.browser

DECISIONS, REJECTIONS, MAX_PRESSES = 20, 8, 22
# Records each key, when the next applicant's name was painted, and whether a page gave the focus
# to its heading before all of its scripts had run.
RECORDER = """
window.presses = []; window.arrivals = []; window.focusedEarly = false;
let allScriptsRan = false;
document.addEventListener("DOMContentLoaded", () => (allScriptsRan = true));
document.addEventListener("focusin", (event) => {
  if (event.target.id === "review-heading" && !allScriptsRan) focusedEarly = true;
});
addEventListener("keydown", (event) => presses.push([event.key, performance.now()]), true);
document.addEventListener("htmx:afterSwap", (event) => {
  if (event.detail.target.id !== "review") return;
  requestAnimationFrame(() => setTimeout(() => arrivals.push(performance.now())));
});
"""


@pytest.fixture
def sam(connected_demo: Demo, person) -> Person:
    """Sees all requisitions, and has two rejection presets."""
    recruiter: Person = person("sam@acme.example")
    recruiter.page.add_init_script(RECORDER)
    for number, name in enumerate(("Too junior", "Elsewhere"), start=1):
        recruiter.open_path("/review/presets/")
        page = recruiter.page
        page.get_by_label("Name").fill(name)
        page.get_by_label("Key").select_option(str(number))
        page.get_by_label("Reason").select_option(index=number)
        page.get_by_label("Email to the candidate").select_option(index=number - 1)
        page.get_by_role("button", name="Add preset").click()
        expect(get_visible_text(page, f"“{name}” added").first).to_be_visible()
    return recruiter


def _read_requests(demo: Demo) -> list[dict[str, object]]:
    requests: list[dict[str, object]] = httpx.get(f"{demo.sandbox_url}/__requests").json()
    return requests


def _count_writes(demo: Demo) -> int:
    return sum(
        row["method"] == "POST" and bool(re.search(r"/(move|advance|reject)$", str(row["path"])))
        for row in _read_requests(demo)
    )


def _await_next(page: Page, heading: str) -> None:
    expect(page.locator("#review-heading")).not_to_have_text(heading)
    expect(page.locator("#review-heading")).to_be_focused()


def _decide_with_one_key(page: Page, rejections_left: int, decisions_left: int) -> str:
    can_advance = page.locator("#review-advance").count() > 0
    rejects = rejections_left > 0 and (not can_advance or rejections_left == decisions_left)
    key = "1" if rejects else "a"
    page.keyboard.press(key)
    return key


def test_twenty_decisions_take_twenty_keys(demo: Demo, sam: Person) -> None:
    page = sam.page
    sam.open_path("/review/")
    sam.check_page("60-reviews")
    page.get_by_role("button", name="Review Waiting over 7 days").click()
    expect(page.locator("#review-heading")).to_be_focused()
    sam.check_page("61-review-queue")
    writes_before, loads = _count_writes(demo), []
    page.on("load", lambda _: loads.append(page.url))
    page.evaluate("presses.length = 0; arrivals.length = 0; void 0")
    keys: list[str] = []
    for done in range(DECISIONS):
        heading = page.locator("#review-heading").inner_text()
        keys.append(_decide_with_one_key(page, REJECTIONS - keys.count("1"), DECISIONS - done))
        _await_next(page, heading)
        keep_screenshot(page, f"62-walk-{done + 1:02}-{keys[-1]}")
    presses = [key for key, _ in page.evaluate("presses")]
    assert presses == keys
    assert len(presses) <= MAX_PRESSES
    assert keys.count("1") == REJECTIONS
    assert loads == [], "no page was loaded"
    _print_times(page)
    sam.check_page("63-review-decided")
    demo.end_holds()
    for kind, count in (("Advanced to", DECISIONS - REJECTIONS), ("Rejected", REJECTIONS)):
        decisions = page.locator("#decisions .row-item").filter(has_text=kind)
        expect(decisions).to_have_count(count, timeout=TIMEOUT_MS)
    assert _count_writes(demo) - writes_before == DECISIONS


def _print_times(page: Page) -> None:
    """How long after its key each next applicant could be read: a figure, not a bar."""
    presses, arrivals = page.evaluate("[presses, arrivals]")
    times = [arrival - press for (_, press), arrival in zip(presses, arrivals, strict=False)]
    sys.stdout.write(
        f"\nnext applicant after {statistics.median(times):.0f} ms (median), "
        f"{max(times):.0f} ms (longest): {[round(time) for time in times]}\n"
    )


def _open_rejection_with_email(page: Page) -> str:
    """Go on to somebody who accepts email, and press r; returns their name."""
    for _ in range(10):
        page.keyboard.press("r")
        expect(page.get_by_label("Reason")).to_be_focused()
        heading = page.locator("#review-heading").inner_text()
        if page.get_by_label("Email to the candidate").count():
            return heading
        page.keyboard.press("Escape")
        expect(page.locator("#review-heading")).to_be_focused()
        page.keyboard.press("s")
        _await_next(page, heading)
    pytest.fail("Nobody accepts email")


def test_undo_dialog_and_help_by_keyboard(demo: Demo, sam: Person) -> None:
    page, keys = sam.page, sam.page.keyboard
    sam.open_path("/review/")
    page.get_by_role("button", name="Review Waiting over 7 days").focus()
    keys.press("Enter")
    expect(page.locator("#review-heading")).to_be_focused()
    first = page.locator("#review-heading").inner_text()
    assert first in page.title()
    assert page.evaluate("focusedEarly") is False, "keys would not be heard yet"
    keys.press("1")
    _await_next(page, first)
    second = page.locator("#review-heading").inner_text()
    assert second in page.title()
    expect(page.locator("#last-decision")).to_contain_text(f"Rejection of {first} held for")
    keys.press("Tab")
    expect(page.get_by_role("button", name="Undo rejection of")).to_be_focused()
    keys.press("u")
    expect(page.locator("#last-decision")).to_contain_text("canceled. Nothing was sent.")
    expect(page.locator("#review-heading")).to_be_focused()

    second = _open_rejection_with_email(page)
    page.get_by_label("Email to the candidate").select_option(index=1)
    preview = page.locator("#email-preview")
    expect(preview).to_contain_text("CANDIDATE_FIRST_NAME")
    expect(preview).to_contain_text("Subject")
    sam.check_page("64-email-preview")
    keys.press("Escape")
    expect(page.locator("#review-heading")).to_be_focused()
    for key in ("m", "t", "e"):
        keys.press(key)
        expect(page.locator("#action-dialog")).to_be_visible()
        keys.press("Escape")
        expect(page.locator("#action-dialog")).to_be_hidden()
    keys.press("?")
    expect(page.locator("#keys-help")).to_be_visible()
    sam.check_page("65-review-help")
    page.get_by_label("Enable single-key shortcuts").uncheck()
    page.locator("#keys-help").get_by_role("button", name="Save").click()
    expect(get_visible_text(page, "Saved.").first).to_be_visible()
    keys.press("s")
    keys.press("1")
    expect(page.locator("#review-heading")).to_have_text(second)
    sam.check_page("66-review-without-keys")


def test_place_is_kept_and_restarted(demo: Demo, sam: Person) -> None:
    page = sam.page
    sam.open_path("/review/")
    page.get_by_role("button", name="Review Waiting over 7 days").click()
    expect(page.locator("#review-heading")).to_be_focused()
    for place in (2, 3):
        page.keyboard.press("s")
        expect(page.locator("#review-place")).to_contain_text(f"{place} of")
    third = page.locator("#review-heading").inner_text()
    sam.open_path("/review/")
    page.get_by_role("link", name="Resume Waiting over 7 days").click()
    expect(page.locator("#review-heading")).to_have_text(third)
    page.go_back()
    page.get_by_role("button", name="Start over Waiting over 7 days").click()
    expect(page.locator("#review-place")).to_contain_text("1 of")
    for name, path in (
        ("67-presets", "/review/presets/"),
        ("68-rejection-emails", "/review/emails/"),
        ("69-preferences", "/account/preferences/"),
    ):
        sam.open_path(path)
        sam.check_page(name)
