"""A session that ends: the warning, the way back, and what was typed."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from portal.demo.people import PASSWORD
from tests.journeys.conftest import Demo, Person

pytestmark = pytest.mark.browser

ENDING = "You'll be signed out in"
RESTORED = "What you typed before signing in is back."


def _sign_in_again(ada: Person) -> None:
    ada.page.get_by_label("Email").fill(ada.email)
    ada.page.get_by_label("Password", exact=True).fill(PASSWORD)
    ada.page.get_by_role("button", name="Sign in").click()


def test_session_end_is_announced_and_prolonged(demo: Demo, person) -> None:
    ada = person("ada@acme.example")
    demo.end_sessions_in(250)
    ada.open_path("/members/")
    expect(ada.page.locator("#messages").get_by_text(ENDING)).to_be_visible()
    expect(ada.page.locator("#live")).to_have_text(f"{ENDING} 4 minutes.")
    ada.check_page("session-ending")
    ada.page.get_by_role("button", name="Stay signed in").click()
    expect(ada.page.locator("#live")).to_have_text("You'll stay signed in.")
    expect(ada.page.locator("#messages").get_by_text(ENDING)).to_have_count(0)
    ada.open_path("/members/")
    expect(ada.page.get_by_role("heading", name="Members", exact=True, level=1)).to_be_visible()
    expect(ada.page.locator("#messages > *")).to_have_count(0)


def test_typed_text_survives_signing_in_again(demo: Demo, person) -> None:
    ada = person("ada@acme.example")
    ada.open_path("/notifications/")
    form = ada.page.locator("main form").first
    radio = form.get_by_role("radio", checked=False).first
    label = radio.get_attribute("value")
    radio.check()
    demo.end_sessions_in(-1)
    form.get_by_role("button").first.click()
    _sign_in_again(ada)
    expect(ada.page).to_have_url(f"{demo.url}/notifications/")
    expect(ada.page.locator("#messages").get_by_text(RESTORED)).to_be_visible()
    expect(ada.page.locator(f"main form input[type=radio][value='{label}']")).to_be_checked()
    ada.check_page("restored")
    ada.page.locator("main form").first.get_by_role("button").first.click()
    expect(ada.page.locator("#messages")).to_contain_text("Saved.")
    assert ada.page.evaluate("sessionStorage.getItem('form-drafts')") is None


def test_secrets_are_not_kept(demo: Demo, person) -> None:
    ada = person("ada@acme.example")
    ada.open_path("/setup/credential/")
    ada.page.get_by_label("Client ID").fill("an-id-that-was-typed")
    secret = ada.page.get_by_label("Client secret", exact=True)
    secret.fill("a-secret-that-was-typed")
    ada.page.get_by_role("button", name="Show").first.click()
    secret.press("End")
    secret.press("x")
    assert "that-was-typed" not in ada.page.evaluate("JSON.stringify(sessionStorage)")


def test_htmx_form_links_to_sign_in(demo: Demo, person) -> None:
    ada = person("ada@acme.example")
    ada.open_path("/setup/start/")
    demo.end_sessions_in(-1)
    ada.page.evaluate("htmx.ajax('POST', '/setup/start/', {target: '#main'})")
    message = ada.page.locator("#messages")
    expect(message.get_by_text("You're signed out.")).to_be_visible()
    ada.check_page("signed-out")
    message.get_by_role("link", name="Sign in").click()
    _sign_in_again(ada)
    expect(ada.page).to_have_url(f"{demo.url}/setup/start/")
