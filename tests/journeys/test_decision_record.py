"""A recruiter decides in a review, undoes, and prints the decision record."""

from __future__ import annotations

import re

import httpx
import pytest
from playwright.sync_api import Page, expect

from tests.journeys.conftest import (
    Demo,
    Person,
    check_accessibility,
    get_visible_text,
    keep_screenshot,
)

pytestmark = pytest.mark.browser


@pytest.fixture
def sam(connected_demo: Demo, person) -> Person:
    recruiter: Person = person("sam@acme.example")
    return recruiter


def _attach_resume(demo: Demo, page: Page) -> None:
    """To the application on screen."""
    url = page.locator("#resume [hx-get]").get_attribute("hx-get") or ""
    pk = int(url.split("/applications/")[1].split("/")[0])
    values = {"application_id": demo.find_remote_id(pk), "filename": "resume.docx", "content": ""}
    body = {"action": "replace_resume", **values}
    httpx.post(f"{demo.sandbox_url}/__mutate", json=body, timeout=60).raise_for_status()


def test_record_is_read_printed_and_shortened(
    connected_demo: Demo, sam: Person, ada: Person
) -> None:
    page = sam.page
    sam.open_path("/account/preferences/")
    page.get_by_label("Words to highlight").fill("Python, remote")
    page.get_by_role("button", name="Save review preferences").click()
    expect(get_visible_text(page, "Saved.").first).to_be_visible()
    sam.open_path("/requisitions/")
    page.locator("#job-table tbody a").first.click()
    job_url = page.url
    page.get_by_role("link", name="Decision record").click()
    expect(page.get_by_role("heading", name="No decisions yet")).to_be_visible()
    sam.check_page("90-record-empty")

    page.goto(f"{job_url}?days=3&sort=stage")
    page.get_by_role("button", name="Review one by one").click()
    expect(page.locator("#review-heading")).to_be_visible()
    _attach_resume(connected_demo, page)
    page.reload()
    expect(page.locator("#resume .resume-name")).to_have_text("resume.docx")
    page.locator("#review").get_by_role("button", name="Advance").first.click()
    expect(page.locator("#last-decision")).to_contain_text("Advanc")
    page.goto(job_url)
    page.locator(".application-rows button", has_text="Reject").last.click()
    dialog = page.locator("#action-dialog")
    dialog.get_by_label("Reason").select_option(index=1)
    dialog.get_by_label("Note").fill("No experience with large databases.")
    dialog.get_by_role("button", name=re.compile("^Reject")).click()
    expect(page.locator(".row-status", has_text="Rejecting in")).to_be_visible()
    connected_demo.end_holds()
    expect(page.locator(".row-status", has_text="Rejected.")).to_be_visible()

    sam.open_path(job_url.replace(connected_demo.url, "").split("?")[0] + "decisions/")
    expect(page.locator(".decision")).to_have_count(2)
    expect(get_visible_text(page, "The portal makes no automated decisions").first).to_be_visible()
    review = page.locator(".decision", has_text="Advance")
    expect(review).to_contain_text("Python, remote")
    expect(review).to_contain_text("In stage at least: 3 days")
    expect(review).to_contain_text("Opened before deciding")
    rejection = page.locator(".decision", has_text="No experience with large databases.")
    expect(rejection).to_contain_text("Not opened before deciding")
    sam.check_page("91-record")

    page.get_by_role("link", name="Print").click()
    expect(page.locator(".decision")).to_have_count(2)
    check_accessibility(page, "print")
    keep_screenshot(page, "92-record-print-screen")
    page.emulate_media(media="print")
    expect(page.locator(".decision-back")).to_be_hidden()
    keep_screenshot(page, "92-record-print")
    assert page.pdf(format="A4")[:4] == b"%PDF"
    page.emulate_media(media="screen")

    ada.open_path("/your-data/")
    ada.page.get_by_role("link", name="Change how long decision records are kept").click()
    ada.page.get_by_label("Keep decisions for").select_option(label="1 year")
    ada.page.get_by_role("button", name="Save").click()
    problem = "Select this to keep decisions for fewer years."
    expect(get_visible_text(ada.page, problem).first).to_be_visible()
    ada.check_page("93-retention-confirm")
    ada.page.get_by_label("Delete the decisions that are older").check()
    ada.page.get_by_role("button", name="Save").click()
    expect(get_visible_text(ada.page, "Saved.").first).to_be_visible()
    ada.open_path("/activity-log/")
    expect(ada.page.locator("main")).to_contain_text("changed how long decision records are kept")
