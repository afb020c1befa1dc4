"""Asking for emails about new applicants, on a wide and a narrow screen."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.journeys.conftest import Demo, check_accessibility, get_visible_text, keep_screenshot

pytestmark = pytest.mark.browser


@pytest.mark.parametrize("width", [1280, 390])
def test_subscribe_to_requisition_and_view(connected_demo: Demo, person, width: int) -> None:
    sam = person("sam@acme.example")
    page = sam.page
    page.set_viewport_size({"width": width, "height": 900})
    page.emulate_media(color_scheme="light" if width == 1280 else "dark")

    def check(name: str) -> None:
        keep_screenshot(page, f"{name}-{width}")
        check_accessibility(page, f"{name}-{width}")

    sam.open_path("/requisitions/emails/")
    check("81-applicant-emails-none")
    sam.open_path("/requisitions/?status=open")
    page.locator("#job-table th a").first.click()
    check("82-applicant-emails-link")
    page.get_by_role("link", name="Email new applicants").click()
    page.get_by_label("Once a day at 9:00").check()
    check("83-applicant-emails-form")
    page.get_by_role("button", name="Save").click()
    expect(get_visible_text(page, "are on.")).to_be_visible()

    sam.open_path("/requisitions/?mine=1&sort=waiting")
    page.locator("summary", has_text="Save view").click()
    page.get_by_label("View name").fill("My longest wait")
    page.locator(".job-save").get_by_role("button", name="Save").click()
    page.locator("summary", has_text="Saved views").click()
    check("84-applicant-emails-views")
    page.get_by_role("link", name="Email new applicants in My longest wait").click()
    page.get_by_label("Within minutes").check()
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("link", name="My longest wait", exact=True)).to_be_visible()
    check("85-applicant-emails")
    turn_off = page.get_by_role("button", name="Turn off")
    for count in (2, 1):
        expect(turn_off).to_have_count(count)
        turn_off.first.click()
    expect(get_visible_text(page, "No emails yet")).to_be_visible()
