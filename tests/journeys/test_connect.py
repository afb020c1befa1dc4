"""Connecting by OAuth consent in a real browser."""

from __future__ import annotations

import re

import httpx
import pytest
from playwright.sync_api import expect

from tests.journeys.conftest import Demo, Person, get_visible_text

pytestmark = pytest.mark.browser


def _continue_until_connected(person: Person) -> None:
    """Without scripts, the page that waits for a worker has a link instead."""
    progress = person.page.locator("#authorization-progress")
    link = progress.get_by_role("link", name="Continue", exact=True)
    connected = person.page.get_by_role("heading", name="Permissions", exact=True)
    for _ in range(60):
        expect(link.or_(connected)).to_be_visible()  # between two pages there is neither
        if connected.is_visible():
            return
        person.page.wait_for_timeout(500)
        with person.page.expect_navigation():
            link.click()


@pytest.mark.slow("authorizes in Greenhouse three times")
@pytest.mark.parametrize("scripts", [True, False])
def test_consent_refused_given_and_wrong_account(demo: Demo, person, scripts: bool) -> None:
    ada: Person = person("ada@acme.example", scripts=scripts)
    ada.open_path("/setup/credential/")
    page = ada.page
    if scripts:
        ada.check_page("60-connect")
    page.get_by_role("button", name="Connect with Greenhouse").click()
    page.get_by_role("button", name="Cancel").click()
    expect(get_visible_text(page, "Authorization was canceled")).to_be_visible()
    if scripts:
        ada.check_page("61-refused")
    page.get_by_role("button", name="Try again").click()
    ada.authorize_as("Ada Adeyemi, Site Admin", service_account=True)
    if not scripts:
        _continue_until_connected(ada)
        expect(page.get_by_role("heading", name="Permissions", exact=True)).to_be_visible()
        return
    ada.await_permissions()
    page.get_by_role("link", name="Continue", exact=True).click()
    expect(page.get_by_role("heading", name="People", exact=True)).to_be_visible()
    ada.open_path("/setup/credential/")
    ada.check_page("62-connected")
    page.get_by_role("button", name="Connect again").click()
    ada.authorize_as("Zoe Zimmer, Site Admin", service_account=True)
    expect(get_visible_text(page, "That's a different Greenhouse account")).to_be_visible()
    ada.check_page("63-another-account")
    page.get_by_role("button", name="Try again").click()
    ada.authorize_as("Ada Adeyemi, Site Admin", service_account=True)
    expect(get_visible_text(page, "All permissions granted").first).to_be_visible()


def test_recruiter_authorizes_own_account(demo: Demo, person) -> None:
    ada: Person = person("ada@acme.example")
    ada.open_path("/setup/credential/")
    ada.page.get_by_role("button", name="Connect with Greenhouse").click()
    ada.authorize_as("Ada Adeyemi, Site Admin", service_account=True)
    expect(get_visible_text(ada.page, "All permissions granted").first).to_be_visible()
    ada.open_path("/setup/sync/")
    expect(get_visible_text(ada.page, "Everything is synced").first).to_be_visible()

    sam: Person = person("sam@acme.example")
    sam.open_path("/account/greenhouse/")
    page = sam.page
    sam.check_page("64-not-yet")
    page.get_by_role("button", name="Authorize in Greenhouse").click()
    sam.authorize_as("Ada Adeyemi, Site Admin")
    expect(page.locator("#messages").get_by_text("Authorized as someone else")).to_be_visible()
    sam.check_page("65-not-you")
    page.get_by_role("button", name="Authorize in Greenhouse").click()
    sam.authorize_as("Sam Okafor, Site Admin")
    expect(get_visible_text(page, "You're authorized").first).to_be_visible()
    sam.check_page("66-as-yourself")
    sam.open_path("/requisitions/")
    page.locator("#job-table tbody a").first.click()
    page.wait_for_url(re.compile(r"/requisitions/\d+/"))
    rows = page.locator("tr[id^=application-]")
    rows.get_by_role("button", name=re.compile("^Advance"), disabled=False).first.click()
    expect(get_visible_text(page, "Advanced to").first).to_be_visible()
    requests = httpx.get(f"{demo.sandbox_url}/__requests", timeout=60).json()
    consents = httpx.get(f"{demo.sandbox_url}/__consents", timeout=60).json()
    writers = {entry["acting_user"] for entry in requests if entry["path"].endswith("/move")}
    assert writers == {consents[-1]["user_id"]}
