"""Set-up in a real browser: with what goes wrong, for those who help, by keyboard alone."""

from __future__ import annotations

import re

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect

from integrations.greenhouse import sandbox as greenhouse
from tests.journeys.conftest import Demo, Person

pytestmark = pytest.mark.browser

LACKS = ["applications.reject", "job_posts.list", "candidates.list"]


def _tick(demo: Demo, key: str, names: list[str]) -> None:
    """Somebody ticks boxes in Greenhouse."""
    body = {"credential": key, "grant": names}
    httpx.patch(f"{demo.greenhouse}/__credentials", json=body).raise_for_status()


def _fault(demo: Demo, **fault: object) -> None:
    httpx.post(f"{demo.greenhouse}/__faults", json=fault).raise_for_status()


def test_three_missing_are_ticked_by_a_colleague_without_an_account(
    demo: Demo, person, browser: Browser
) -> None:
    made = demo.new_credential("key", LACKS)
    ada: Person = person("ada@acme.example")
    ada.goes_to("/set-up/before/")
    ada.page.get_by_label(re.compile("is a Site Admin in Greenhouse")).check()
    ada.keeps_picture("40-before")
    ada.page.get_by_role("button", name="Go on").click()
    ada.page.get_by_role("link", name="API key (v1)").click()
    ada.keeps_picture("41-key")
    ada.page.get_by_label("Harvest API key", exact=True).fill(made["key"])
    ada.page.get_by_role("button", name="Try and save").click()
    expect(ada.page.get_by_text("Something is missing")).to_be_visible()
    ada.keeps_picture("42-missing")

    # One is ticked, and tested again by itself.
    _tick(demo, made["key"], ["candidates.list"])
    row = ada.page.locator('[id="permission-candidates.list"]')
    row.get_by_role("button", name="Test this again").click()
    expect(row.get_by_text("Granted")).to_be_visible()

    ada.page.get_by_role("link", name="Go on").click()
    expect(ada.page.get_by_text("Somebody will see nothing")).to_be_visible()
    ada.keeps_picture("43-people")

    # The rest is for a colleague who manages Greenhouse, on a phone, without an account.
    ada.goes_to("/set-up/links/")
    ada.page.get_by_role("button", name="Make a link").click()
    address = ada.page.locator("#fix-link").inner_text()
    ada.keeps_picture("44-link")
    context = browser.new_context(viewport={"width": 390, "height": 844})
    page = context.new_page()
    page.goto(demo.url + "/set-up/fix/" + address.split("/set-up/fix/")[1])
    expect(page.get_by_text("Post: Reject Application")).to_be_visible()
    _tick(demo, made["key"], LACKS)
    page.get_by_role("button", name="Test again").click()
    expect(page.get_by_text("Everything is ticked. Thank you!", exact=True)).to_be_visible()
    context.close()


def test_by_keyboard_alone_while_greenhouse_is_down_and_up_again(demo: Demo, person) -> None:
    ada: Person = person("ada@acme.example")
    ada.goes_to("/set-up/credential/")
    page, keys = ada.page, ada.page.keyboard
    _fault(demo, kind="status", status=503, times=None)
    _tabs_to(page, "#id_client_id")
    keys.insert_text(greenhouse.ACME_V3_CLIENT_ID)
    _tabs_to(page, "#id_client_secret")
    keys.insert_text(greenhouse.ACME_V3_CLIENT_SECRET)
    keys.press("Enter")
    expect(page.get_by_text("not answering").first).to_be_visible()
    expect(page.get_by_text("Nothing was saved").first).to_be_visible()
    ada.keeps_picture("50-greenhouse-down")

    httpx.delete(f"{demo.greenhouse}/__faults").raise_for_status()
    _tabs_to(page, "#id_client_secret")
    keys.insert_text(greenhouse.ACME_V3_CLIENT_SECRET)
    keys.press("Enter")
    expect(page.get_by_text("Everything is granted")).to_be_visible()
    _tabs_to(page, "a.btn-primary")
    keys.press("Enter")
    page.wait_for_url("**/set-up/people/")
    expect(page.get_by_text("Somebody will see nothing")).to_be_visible()
    _tabs_to(page, ".wizard-foot button")
    keys.press("Enter")
    page.wait_for_url("**/set-up/sync/")
    expect(page.get_by_text("Everything has been read")).to_be_visible()


def _tabs_to(page: Page, selector: str) -> None:
    """Press Tab until an element that fits has the focus."""
    for _ in range(120):
        if page.evaluate("s => document.activeElement.matches(s)", selector):
            return
        page.keyboard.press("Tab")
    pytest.fail(f"Tab never reached {selector}")
