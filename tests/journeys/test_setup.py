"""Set-up in a real browser: with what goes wrong, for those who help, by keyboard alone."""

from __future__ import annotations

import re

import httpx
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from integrations.greenhouse import sandbox as greenhouse
from tests.journeys.conftest import PICTURES, Demo, Person

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
    ada.keeps_picture("40-before")
    ada.page.get_by_label(re.compile("is a Site Admin in Greenhouse")).check()
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
    found = Axe().run(page)
    assert found.violations_count == 0, found.generate_report()
    page.screenshot(path=PICTURES / "45-fix-link-390-light.png", full_page=True)
    # It is open beside Greenhouse, and ticks off by itself what is ticked there; then it closes.
    _tick(demo, made["key"], ["applications.reject"])
    reject = page.get_by_role("listitem").filter(has_text="Post: Reject Application")
    expect(reject.get_by_text("Ticked", exact=True)).to_be_visible()
    expect(page.get_by_text("To tick", exact=True).first).to_be_visible()
    _tick(demo, made["key"], LACKS)
    expect(page.get_by_text("Everything is ticked. Thank you!", exact=True)).to_be_visible()
    context.close()


def test_by_keyboard_alone_while_greenhouse_is_down_and_up_again(demo: Demo, person) -> None:
    ada: Person = person("ada@acme.example")
    ada.goes_to("/set-up/before/")
    page, keys = ada.page, ada.page.keyboard
    _tabs_to(page, "#id_ready_1")
    with page.expect_response("**/set-up/before/"):
        keys.press("Space")
    page.reload()
    expect(page.locator("#id_ready_1")).to_be_checked()  # kept, though nothing was pressed
    _tabs_to(page, ".card-foot button")
    keys.press("Enter")
    page.wait_for_url("**/set-up/credential/")
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
    # The client ID stands there again, though the answer held nothing of it.
    expect(page.locator("#id_client_id")).to_have_value(greenhouse.ACME_V3_CLIENT_ID)
    assert "typed:" not in page.evaluate("Object.keys(sessionStorage).join()")
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


def test_it_is_changed_paused_taken_up_and_left(demo: Demo, person) -> None:
    ada: Person = person("ada@acme.example")
    page = ada.page
    ada.goes_to("/set-up/credential/")
    page.get_by_label("Client ID").fill(greenhouse.ACME_V3_CLIENT_ID)
    page.get_by_label("Client secret", exact=True).fill(greenhouse.ACME_V3_CLIENT_SECRET)
    page.get_by_role("button", name="Try and save").click()
    expect(page.get_by_text("Everything is granted")).to_be_visible()
    ada.goes_to("/set-up/sync/")
    expect(page.get_by_text("Everything has been read")).to_be_visible()

    # A key that may do less is checked beside the credential in use, switched to, and taken back.
    made = demo.new_credential("key", LACKS)
    ada.goes_to("/set-up/credential/?kind=harvest_key")
    page.get_by_label("Harvest API key", exact=True).fill(made["key"])
    page.get_by_role("button", name="Try and save").click()
    expect(page.get_by_text("The new one may do less")).to_be_visible()
    ada.keeps_picture("46-rotation")
    page.get_by_role("button", name="Switch to the new one").click()
    expect(page.get_by_text("The old credential is kept")).to_be_visible()
    ada.keeps_picture("47-kept")
    ada.goes_to("/set-up/sync/")
    expect(page.get_by_text("What is switched on has been read")).to_be_visible()

    # Taken back, it is read with again. That is slow; a pause ends it, and going on reads anew.
    _fault(demo, path="/v3/", latency_ms=2000, times=None)
    ada.goes_to("/set-up/rotation/")
    page.get_by_role("button", name="Take the old one back").click()
    ada.goes_to("/set-up/sync/")
    watching = page.context.new_page()
    watching.goto(f"{demo.url}/set-up/sync/")
    page.get_by_role("button", name="Pause").click()
    page.get_by_role("dialog").get_by_role("button", name="Pause").click()
    expect(page.get_by_text("The connection is paused")).to_be_visible()
    # Another tab that watched the sync is led to the same page, whole.
    watching.wait_for_url("**/set-up/live/")
    expect(watching.locator("main")).to_have_count(1)
    watching.close()
    ada.keeps_picture("48-paused")
    ada.goes_to("/set-up/syncs/")
    expect(page.get_by_text("Ended, because the connection was paused").first).to_be_visible()
    ada.keeps_picture("49-ended-by-a-pause")
    httpx.delete(f"{demo.greenhouse}/__faults").raise_for_status()
    ada.goes_to("/set-up/live/")
    page.get_by_role("button", name="End the pause").click()
    expect(page.get_by_text("Everything is granted")).to_be_visible()
    ada.goes_to("/set-up/sync/")
    expect(page.get_by_text("Everything has been read")).to_be_visible()

    ada.goes_to("/set-up/disconnect/")
    ada.keeps_picture("49-disconnect")
    page.get_by_label("Organization's name").fill("acme")
    page.get_by_role("button", name="Disconnect and delete").click()
    expect(page.get_by_text("Disconnected. The credential is destroyed")).to_be_visible()


def _tabs_to(page: Page, selector: str) -> None:
    """Press Tab until an element that fits has the focus."""
    for _ in range(120):
        if page.evaluate("s => document.activeElement.matches(s)", selector):
            return
        page.keyboard.press("Tab")
    pytest.fail(f"Tab never reached {selector}")
