"""Notes, one decision for what may be the same person's applications, and shared views."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from tests.journeys.conftest import Demo, Person, get_visible_text

pytestmark = pytest.mark.browser


@pytest.fixture
def sam(connected_demo: Demo, person) -> Person:
    recruiter: Person = person("sam@acme.example")
    return recruiter


def test_note_is_undone_then_added(connected_demo: Demo, sam: Person) -> None:
    page = sam.page
    page.locator("#job-table tbody a").first.click()
    page.locator(".application-rows .cell-title a").first.click()
    expect(page.locator(".skeleton:visible")).to_have_count(0)
    form = page.locator("#note-form")
    form.get_by_role("button", name="Add note").click()
    expect(get_visible_text(page, "Enter a note.").first).to_be_visible()
    sam.check_page("76-note-empty")
    form.get_by_label("Note").fill("Strong on Postgres.\nAsk about remote work.")
    form.get_by_label("Visible to").select_option(label="Everyone with access to the candidate")
    form.get_by_role("button", name="Add note").click()
    activity = page.locator("#activity")
    expect(activity).to_contain_text("Strong on Postgres.")
    expect(form.get_by_label("Note")).to_have_value("")
    sam.check_page("77-note-held")
    activity.get_by_role("button", name=re.compile("^Undo note")).click()
    expect(activity).to_contain_text("Canceled")

    form.get_by_label("Note").fill("Available from March.")
    form.get_by_role("button", name="Add note").click()
    expect(activity).to_contain_text("Available from March.")
    connected_demo.end_holds()
    item = activity.locator("li").filter(has_text="Available from March.")
    expect(item).to_contain_text("Done")
    sam.check_page("78-note-added")


def test_same_person_is_decided_once(connected_demo: Demo, sam: Person) -> None:
    page = sam.page
    sam.open_path(_find_shared_applicant(connected_demo))
    card = page.locator("#other-applications")
    expect(card).to_contain_text("Applied to 2 requisitions you can see.")
    expect(card).to_contain_text("Same email.")
    expect(page.locator(".skeleton:visible")).to_have_count(0)
    sam.check_page("79-same-person-applicant")
    card.get_by_role("link", name="Decide on several").click()
    boxes = page.get_by_role("checkbox")
    expect(boxes.nth(0)).to_be_checked()
    expect(boxes.nth(1)).not_to_be_checked()  # another candidate in Greenhouse
    boxes.nth(1).check()
    sam.check_page("80-same-person")
    page.get_by_role("button", name="Reject as a security concern").click()
    expect(page.get_by_label("Reason")).to_contain_text("Spam")
    expect(page.get_by_role("heading", level=1)).to_have_text("Reject 2 applications")
    sam.check_page("81-same-person-reject")
    page.get_by_role("button", name="Reject 2 applications").click()
    expect(get_visible_text(page, "Rejecting in").first).to_be_visible()
    connected_demo.end_holds()
    expect(get_visible_text(page, "2 rejected").first).to_be_visible()
    sam.check_page("82-same-person-rejected")


def test_shared_view_is_copied(connected_demo: Demo, sam: Person, person) -> None:
    page = sam.page
    sam.open_path("/requisitions/?status=open&sort=-name")
    page.locator("summary", has_text="Save view").click()
    page.get_by_label("View name").fill("By name")
    page.locator(".job-save").get_by_role("button", name="Save").click()
    page.locator("summary", has_text="Saved views").click()
    page.get_by_role("button", name="Share By name").click()
    expect(get_visible_text(page, "is shared with").first).to_be_visible()
    page.locator("summary", has_text="Saved views").click()
    sam.check_page("83-own-shared-view")
    remy: Person = person("remy@acme.example")
    shared = remy.page.locator("li").filter(has_text="Shared by Sam")
    expect(shared).to_be_visible()
    remy.check_page("84-view-of-others")
    shared.get_by_role("button", name="Copy to my views").click()
    expect(get_visible_text(remy.page, "Copied to your views").first).to_be_visible()


def _find_shared_applicant(demo: Demo) -> str:
    """The path of an active application whose candidate shares an email with another one."""
    return f"/applications/{demo.find_sharing_application()}/"
