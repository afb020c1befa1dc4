"""Setup in a real browser: missing permissions, an outage, keyboard, rotation, disconnecting."""

from __future__ import annotations

import contextlib
import re

import pytest
from playwright.sync_api import Browser, Page, expect
from playwright.sync_api import TimeoutError as PlaywrightTimeoutError

from integrations.greenhouse import sandbox as greenhouse
from tests.journeys.conftest import (
    Demo,
    Person,
    check_accessibility,
    get_visible_text,
    keep_screenshot,
    skip_time_until,
)

pytestmark = pytest.mark.browser

MISSING = ["applications.reject", "job_posts.list", "candidates.list"]


@pytest.mark.slow("two people set up a connection")
def test_colleague_grants_missing_permissions(demo: Demo, person, browser: Browser) -> None:
    credential = demo.create_credential("key", MISSING)
    ada: Person = person("ada@acme.example")
    ada.open_path("/setup/start/")
    ada.check_page("40-before")
    ada.page.get_by_label(re.compile("is a Site Admin in Greenhouse")).check()
    ada.page.get_by_role("button", name="Continue").click()
    ada.page.get_by_role("link", name="API key (v1)").click()
    ada.check_page("41-key")
    ada.page.get_by_label("Harvest API key", exact=True).fill(credential["key"])
    ada.page.get_by_role("button", name="Test and save").click()
    expect(get_visible_text(ada.page, "Some permissions are missing")).to_be_visible()
    ada.check_page("42-missing")

    # One permission is granted, and tested again on its own.
    demo.grant_permissions(credential["key"], ["candidates.list"])
    row = ada.page.locator('[id="permission-candidates.list"]')
    row.get_by_role("button", name="Test again").click()
    expect(row.get_by_text("Granted")).to_be_attached()

    ada.page.get_by_role("link", name="Continue").click()
    expect(get_visible_text(ada.page, "Some people won't see any requisitions yet")).to_be_visible()
    ada.check_page("43-people")

    # A colleague grants the rest, on a phone, without an account.
    ada.open_path("/setup/fix-links/")
    ada.page.get_by_role("button", name="Create link to copy").click()
    address = ada.page.locator("#fix-link").inner_text()
    ada.check_page("44-link")
    context = browser.new_context(viewport={"width": 390, "height": 844})
    page = context.new_page()
    page.clock.install()
    page.goto(demo.url + "/setup/fix/" + address.split("/setup/fix/")[1])
    expect(get_visible_text(page, "Post: Reject Application", exact=True)).to_be_visible()
    check_accessibility(page)
    keep_screenshot(page, "45-fix-link-390-light")
    # The page stays open beside Greenhouse and shows what has been granted there.
    demo.grant_permissions(credential["key"], ["applications.reject"])
    reject = page.get_by_role("listitem").filter(has_text="Post: Reject Application")
    skip_time_until(page, reject.get_by_text("Granted", exact=True), seconds=15)
    expect(get_visible_text(page, "Missing", exact=True).first).to_be_visible()
    demo.grant_permissions(credential["key"], MISSING)
    done = get_visible_text(page, "All permissions granted. Thank you!", exact=True)
    skip_time_until(page, done, seconds=15)
    context.close()


def test_setup_by_keyboard_during_outage(demo: Demo, person) -> None:
    ada: Person = person("ada@acme.example")
    ada.open_path("/setup/start/")
    page, keys = ada.page, ada.page.keyboard
    ada.tab_to("#id_ready_1")
    with page.expect_response("**/setup/start/"):
        keys.press("Space")
    page.reload()
    expect(page.locator("#id_ready_1")).to_be_checked()  # saved without a button
    ada.tab_to(".card-foot button")
    keys.press("Enter")
    page.wait_for_url("**/setup/credential/")
    demo.add_fault(kind="status", status=503, times=None)
    ada.tab_to("#id_client_id")
    keys.insert_text(greenhouse.ACME_V3_CLIENT_ID)
    ada.tab_to("#id_client_secret")
    keys.insert_text(greenhouse.ACME_V3_CLIENT_SECRET)
    keys.press("Enter")
    expect(page.locator("#id_client_id_error")).to_contain_text("Couldn't reach Greenhouse")
    ada.check_page("50-greenhouse-down")
    # The fields keep what was typed, although no response contained it.
    expect(page.locator("#id_client_id")).to_have_value(greenhouse.ACME_V3_CLIENT_ID)
    expect(page.locator("#id_client_secret")).to_have_value(greenhouse.ACME_V3_CLIENT_SECRET)
    demo.clear_faults()
    for _ in range(10):  # the circuit breaker lets a request through after its cooldown
        ada.tab_to("#id_client_secret")
        keys.press("Enter")
        with contextlib.suppress(PlaywrightTimeoutError):
            page.wait_for_url(re.compile("/setup/(permissions|people)/"), timeout=4000)
            break
    ada.await_permissions()
    ada.tab_to("a.btn-primary")
    keys.press("Enter")
    page.wait_for_url("**/setup/people/")
    expect(get_visible_text(page, "Some people won't see any requisitions yet")).to_be_visible()
    ada.tab_to(".page-foot button")
    keys.press("Enter")
    page.wait_for_url(re.compile("/setup/(sync|live)/"))
    ada.open_path("/setup/sync/")
    expect(get_visible_text(page, "Everything is synced").first).to_be_visible()


@pytest.mark.slow("syncs four times")
def test_credential_rotation_pause_and_disconnect(demo: Demo, ada: Person) -> None:
    page = ada.page

    # A key with fewer permissions is checked, switched to, and rolled back.
    credential = demo.create_credential("key", MISSING)
    ada.open_path("/setup/credential/?kind=harvest_key")
    page.get_by_label("Harvest API key", exact=True).fill(credential["key"])
    page.get_by_role("button", name="Test and save").click()
    expect(get_visible_text(page, "The new credential has fewer permissions")).to_be_visible()
    ada.check_page("46-rotation")
    page.get_by_role("button", name="Switch to new credential").click()
    expect(get_visible_text(page, "The new credential is in use").first).to_be_visible()
    ada.check_page("47-kept")
    ada.open_path("/setup/sync/")
    expect(get_visible_text(page, "Synced, except lists without permission")).to_be_visible()

    # After the rollback a slow sync starts; pausing ends it, and resuming starts another.
    demo.add_fault(path="/v3/", latency_ms=2000, times=None)
    ada.open_path("/setup/rotation/")
    page.get_by_role("button", name="Roll back").click()
    ada.open_path("/setup/sync/")
    other_tab = page.context.new_page()
    other_tab.goto(f"{demo.url}/setup/sync/")
    page.get_by_role("button", name="Pause").click()
    page.get_by_role("dialog").get_by_role("button", name="Pause").click()
    expect(get_visible_text(page, "The connection is paused")).to_be_visible()
    # Another tab that showed the sync is led to the same page.
    other_tab.wait_for_url("**/setup/live/")
    expect(other_tab.locator("main")).to_have_count(1)
    other_tab.close()
    ada.check_page("48-paused")
    ada.open_path("/setup/syncs/")
    expect(get_visible_text(page, "Stopped: the connection was paused").first).to_be_visible()
    ada.check_page("49-ended-by-a-pause")
    demo.clear_faults()
    ada.open_path("/setup/live/")
    page.get_by_role("button", name="Resume").click()
    expect(get_visible_text(page, "All permissions granted").first).to_be_visible()
    ada.open_path("/setup/sync/")
    expect(get_visible_text(page, "Everything is synced").first).to_be_visible()

    ada.open_path("/setup/disconnect/")
    ada.check_page("49-disconnect")
    page.get_by_label("Organization's name").fill("acme")
    page.get_by_role("button", name="Disconnect and delete").click()
    message = page.locator("#messages").get_by_text("Disconnected. The credential was deleted")
    expect(message).to_be_visible()


HEADER = "Basic NWExZDBiMGNhY2FlN2YzYjlkMmU0YzZhOGYxMGUyZDQtMTo="
SENTENCE = "Here is the secret that we use for you"


def test_wrong_pastes_get_hints(demo: Demo, person) -> None:
    client_id, secret = greenhouse.ACME_V3_CLIENT_ID, greenhouse.ACME_V3_CLIENT_SECRET
    ada: Person = person("ada@acme.example")
    page = ada.page
    ada.open_path("/setup/credential/")
    for values, hint in (
        ((HEADER, secret), "Client ID: this looks like an authorization header."),
        ((client_id, SENTENCE), "Client secret: this looks like a sentence, not a credential."),
        ((greenhouse.ACME_V1_KEY, secret), "This looks like a Harvest v1 API key."),
    ):
        assert _submit_credential(page, values, "Test and save") == 422
        expect(page.locator("#credential-message")).to_contain_text(hint)
        expect(page.get_by_role("button", name="Use anyway")).to_be_visible()
    ada.check_page("51-paste-hint")
    assert demo.count_refused_requests() == 0  # none of them was sent to Greenhouse

    # A hint is no wall: Greenhouse itself refuses it then.
    _submit_credential(page, (client_id, SENTENCE), "Test and save")
    assert _submit_credential(page, (client_id, SENTENCE), "Use anyway") == 422
    expect(page.locator("#id_client_secret_error")).to_contain_text("doesn't accept")
    assert demo.count_refused_requests() > 0
    ada.check_page("52-used-anyway")

    # Swapped values are recognized and saved the right way around.
    page.get_by_label("Client ID").fill(secret)
    page.get_by_label("Client secret", exact=True).fill(client_id)
    page.get_by_role("button", name="Test and save").click()
    expect(get_visible_text(page, "All permissions granted").first).to_be_visible()
    for path in ("/setup/permissions/", "/setup/credential/"):
        ada.open_path(path)
        assert secret not in page.content()


def test_wrong_paste_without_javascript(demo: Demo, person) -> None:
    ada: Person = person("ada@acme.example", scripts=False)
    ada.paste_v3(greenhouse.ACME_V3_CLIENT_SECRET, SENTENCE)
    expect(get_visible_text(ada.page, "this looks like a sentence")).to_be_visible()
    for field in ("#id_client_id", "#id_client_secret"):
        expect(ada.page.locator(field)).to_have_value("")
    for typed in (greenhouse.ACME_V3_CLIENT_SECRET, SENTENCE):
        assert typed not in ada.page.content()


def _submit_credential(page: Page, values: tuple[str, str], button: str) -> int:
    """Submit the values; return the status of the response, which must not contain them."""
    page.get_by_label("Client ID").fill(values[0])
    page.get_by_label("Client secret", exact=True).fill(values[1])
    with page.expect_response("**/setup/credential/") as answer:
        page.get_by_role("button", name=button).click()
    text = answer.value.text()
    assert all(value not in text for value in values)
    return answer.value.status
