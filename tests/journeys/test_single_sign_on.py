"""An admin sets up single sign-on with the sandbox's sign-in service; an operator approves it."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from integrations.greenhouse.sandbox.auth import identity_provider
from tests.journeys.conftest import Demo, Person, get_visible_text

pytestmark = pytest.mark.browser


def _sign_in_at_service(page: Page, email: str) -> None:
    people = page.get_by_label("You are")
    people.select_option(label=people.locator("option", has_text=email).inner_text())
    page.get_by_role("button", name="Sign in").click()


def test_admin_requires_single_sign_on(demo: Demo, person) -> None:
    ada: Person = person("ada@acme.example")
    ada.open_path("/members/")
    page = ada.page
    page.get_by_role("link", name="Single sign-on").click()
    page.get_by_label("Name").fill("Acme login")
    page.get_by_label("Issuer").fill(demo.sandbox_url + identity_provider.PATH)
    page.get_by_label("Client ID").fill(identity_provider.CLIENT_ID)
    page.get_by_label("Client secret", exact=True).fill(identity_provider.CLIENT_SECRET)
    page.get_by_role("button", name="Save").click()
    page.get_by_role("link", name="Test sign-in").click()
    _sign_in_at_service(page, ada.email)
    expect(get_visible_text(page, "Test passed: Acme login confirmed")).to_be_visible()
    page.get_by_role("textbox", name="Email domain").fill("acme.example")
    page.get_by_role("button", name="Request approval of the domain").click()
    expect(get_visible_text(page, "Approval of acme.example requested.")).to_be_visible()
    ada.check_page("90-requested")

    ola: Person = person("ola@portal.example")
    ola.open_path("/admin/")
    ola.page.get_by_role("link", name="Single sign-on requests (1 open)").click()
    ola.page.get_by_label("Select this object").check()
    ola.page.get_by_label("Action:").select_option("approve")
    ola.page.get_by_role("button", name="Go").click()
    expect(get_visible_text(ola.page, "1 of 1 request approved.")).to_be_visible()

    page.reload()
    page.get_by_role("button", name="Turn on").click()
    page.get_by_role("button", name="Require").click()
    page.get_by_role("dialog").get_by_role("button", name="Require").click()
    expect(get_visible_text(page, "Single sign-on is required.")).to_be_visible()
    ada.check_page("91-required")

    remy: Person = person("remy@acme.example", by_form=True)
    expect(get_visible_text(remy.page, "Acme requires Acme login.").first).to_be_visible()
    remy.page.get_by_role("link", name="Single sign-on").click()
    remy.page.get_by_label("Email").fill(remy.email)
    remy.page.get_by_role("button", name="Continue").click()
    remy.page.get_by_role("link", name="Continue with Acme login").click()
    _sign_in_at_service(remy.page, remy.email)
    expect(get_visible_text(remy.page, "Remy Laurent").first).to_be_attached()
