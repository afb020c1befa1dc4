"""A rejection for a later day: planned in a form, changed and canceled; another one is sent."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from tests.journeys.conftest import Demo, Person, get_visible_text, reload_until

pytestmark = pytest.mark.browser

EMAIL = "Thank you, not this time"


@pytest.fixture
def sam(connected_demo: Demo, person) -> Person:
    recruiter: Person = person("sam@acme.example")
    return recruiter


def _open_first_rejection(page: Page) -> str:
    """Open the rejection form of the first applicant who accepts email; returns their name."""
    page.locator("#job-table tbody a").first.click()
    expect(page.locator(".application-rows .cell-title a").first).to_be_visible()
    page.wait_for_load_state()  # all rows are there
    rejects = page.get_by_role("button", name=re.compile("^Reject "))
    for index in range(rejects.count()):
        name = (rejects.nth(index).get_attribute("aria-label") or "").removeprefix("Reject ")
        rejects.nth(index).click()
        dialog = page.locator("#action-dialog")
        expect(dialog.get_by_label("Reason")).to_be_visible()
        if dialog.get_by_label("Email to the candidate").count():
            return name
        dialog.get_by_role("button", name="Cancel").click()
    pytest.fail("Nobody accepts email")


def _plan(page: Page) -> str:
    name = _open_first_rejection(page)
    dialog = page.locator("#action-dialog")
    dialog.get_by_label("Reason").select_option(index=1)
    dialog.get_by_label("Email to the candidate").select_option(label=EMAIL)
    expect(dialog.get_by_label("Day", exact=True)).to_be_hidden()
    dialog.get_by_label("When").select_option(label="On a later working day")
    expect(dialog.get_by_label("Day", exact=True)).to_be_visible()
    expect(dialog.get_by_label("Time", exact=True)).to_have_value("09:00")
    expect(dialog.locator("#email-preview")).to_contain_text("with the rejection")
    return name


def test_pending_rejection_is_changed_and_canceled(connected_demo: Demo, sam: Person) -> None:
    page = sam.page
    name = _plan(page)
    sam.check_page("83-reject-later-form")
    page.locator("#action-dialog").get_by_role("button", name=f"Reject {name}").click()
    row = page.locator("tr").filter(has_text=name).first
    expect(row.get_by_text("Rejection pending")).to_be_visible()
    sam.check_page("84-reject-later-row")

    page.get_by_role("link", name="Pending rejections").click()
    item = page.locator(".pending-row").filter(has_text=name)
    expect(item).to_contain_text("09:00")
    page.get_by_text("What happens until then").click()
    sam.check_page("85-pending-rejections")
    item.get_by_role("link", name="Change").click()
    page.get_by_label("Time", exact=True).fill("16:30")
    sam.check_page("86-change-rejection")
    page.get_by_role("button", name="Save").click()
    expect(page.locator(".pending-row").filter(has_text=name)).to_contain_text("16:30")

    page.get_by_role("button", name=f"Cancel pending rejection of {name}").click()
    expect(get_visible_text(page, "Rejection canceled. Nothing was sent.").first).to_be_visible()
    expect(page.get_by_role("heading", name="No pending rejections")).to_be_visible()
    sam.check_page("87-no-pending-rejections")
    connected_demo.end_pending()
    assert not connected_demo.list_sent_emails()


def test_due_rejection_is_sent_with_its_email(connected_demo: Demo, sam: Person) -> None:
    page = sam.page
    name = _plan(page)
    page.locator("#action-dialog").get_by_role("button", name=f"Reject {name}").click()
    expect(page.locator("tr").filter(has_text=name).first).to_contain_text("Rejection pending")
    connected_demo.end_pending()
    sam.open_path("/activity/")
    entry = page.locator("li").filter(has_text=f"Reject: {name}")
    reload_until(page, lambda: entry.get_by_text("Done").count() > 0)
    expect(entry).to_contain_text(f"Rejected, with the email “{EMAIL}”.")
    [sent] = connected_demo.list_sent_emails()
    assert sent["status"] < 300
    sam.open_path("/rejections/")
    expect(page.get_by_role("heading", name="No pending rejections")).to_be_visible()
