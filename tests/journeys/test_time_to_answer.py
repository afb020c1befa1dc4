"""An admin sets the promise of an answer; the pages follow it, by mouse and without scripts."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from tests.journeys.conftest import Demo, get_visible_text

pytestmark = pytest.mark.browser


def test_promise_set_and_figures_read(connected_demo: Demo, person) -> None:
    ada = person("ada@acme.example")
    page = ada.page
    ada.open_path("/requisitions/")
    expect(page.locator(".answer-strip")).to_contain_text("Answered in 5 working days")
    ada.check_page("120-requisitions-with-answers")
    page.get_by_role("link", name="Time to answer").click()
    ada.check_page("121-time-to-answer")

    page.get_by_role("link", name="Change promise").click()
    page.get_by_label("Holidays").fill("Christmas")
    page.get_by_role("button", name="Save").click()
    expect(page.locator("#form-errors-list")).to_contain_text("Line 1: start with a date")
    ada.check_page("122-promise-errors")
    page.get_by_label("Answer within").fill("2")
    page.get_by_label("Time zone").select_option("Europe/Berlin")
    page.get_by_label("Saturday").check()
    page.get_by_label("Holidays").fill("2026-12-25 Christmas Day")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("heading", name="Time to answer")).to_be_visible()
    expect(get_visible_text(page, "Answered in 2 working days")).to_be_visible()

    page.locator("summary", has_text="What is counted").click()
    expect(get_visible_text(page, "in Berlin time")).to_be_visible()
    page.get_by_role("link", name="Overdue", exact=True).click()
    expect(page.get_by_label("Answers", exact=True)).to_have_value("overdue")
    expect(page.locator("#job-table")).to_contain_text("overdue")

    page.locator("#job-table th a").first.click()
    page.locator(".answer-line a").first.click()
    expect(page).to_have_url(re.compile("sort=due"))
    expect(page.locator(".application-rows .due").first).to_contain_text("overdue")
    ada.check_page("123-requisition-by-due-time")


def test_figures_without_scripts(connected_demo: Demo, person) -> None:
    sam = person("sam@acme.example", scripts=False)
    page = sam.page
    sam.open_path("/requisitions/")
    expect(page.locator(".answer-strip")).to_be_hidden()
    page.get_by_role("link", name="Time to answer").click()
    page.get_by_label("Answered in the last").select_option("90")
    page.get_by_role("button", name="Show").click()
    expect(page).to_have_url(re.compile("period=90"))
    expect(page.locator(".due-bars")).to_contain_text("Overdue")
    expect(page.get_by_role("link", name="Change promise")).to_have_count(0)
    with page.expect_download() as download:
        page.get_by_role("link", name="Export CSV").click()
    assert download.value.suggested_filename.startswith("time-to-answer-")
