"""Somebody who belongs to two companies, in two tabs."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.journeys.conftest import Demo, Person, get_visible_text

pytestmark = pytest.mark.browser

INVITED = "nia@other.example"


def test_form_of_other_company_is_refused(demo: Demo, person) -> None:
    zoe = _join_second_company(demo, person)
    _switch_company(zoe.page, "Other Inc")
    zoe.open_path("/members/")
    zoe.check_page("90-two-companies")
    members_tab, credential_tab = (zoe.page.context.new_page() for _ in range(2))
    members_tab.goto(f"{demo.url}/members/")
    credential_tab.goto(f"{demo.url}/setup/credential/")
    _switch_company(zoe.page, "Acme")
    zoe.check_page("91-switched")

    # The form of an old tab is refused, whether the browser or a script sends it.
    credential_tab.get_by_label("Client ID").fill("a-client-id-of-24-letters")
    credential_tab.get_by_label("Client secret", exact=True).fill("a-secret-of-20-letters")
    with credential_tab.expect_response("**/setup/credential/") as answer:
        credential_tab.get_by_role("button", name="Test and save").click()
    assert answer.value.status == 409
    expect(credential_tab.get_by_text("This page belongs to Other Inc.").first).to_be_visible()
    assert demo.count_requests() == 0

    members_tab.get_by_label("Email").fill(INVITED)
    with members_tab.expect_response("**/members/") as answer:
        members_tab.get_by_role("button", name="Send invitation").click()
    assert answer.value.status == 409
    expect(members_tab.get_by_role("heading", name="You switched to Acme")).to_be_visible()
    sentence = "This page belongs to Other Inc. Nothing was changed."
    expect(members_tab.get_by_text(sentence)).to_be_visible()
    zoe.page = members_tab
    zoe.check_page("92-other-company")

    # Nobody was invited, in neither company.
    members_tab.get_by_role("button", name="Switch back to Other Inc").click()
    ada: Person = person("ada@acme.example")
    for user, company in ((zoe, "Other Inc"), (ada, "Acme")):
        user.open_path("/members/")
        expect(get_visible_text(user.page, f"People at {company}")).to_be_visible()
        expect(get_visible_text(user.page, INVITED)).to_have_count(0)


def _join_second_company(demo: Demo, person: Any) -> Person:
    ada: Person = person("ada@acme.example")
    ada.open_path("/members/")
    ada.page.get_by_label("Email").fill("zoe@other.example")
    ada.page.get_by_role("button", name="Send invitation").click()
    expect(get_visible_text(ada.page, "with another company").first).to_be_visible()
    ada.check_page("93-invite-anyway")
    ada.page.get_by_role("button", name="Invite anyway").click()
    zoe: Person = person("zoe@other.example")
    zoe.open_path(demo.read_link(zoe.email, "/invitation/"))
    zoe.check_page("94-join-second-company")
    zoe.page.get_by_role("button", name="Join Acme").click()
    expect(_find_company(zoe.page)).to_contain_text("Acme")
    return zoe


def _switch_company(page: Page, company: str) -> None:
    _find_company(page).click()
    page.get_by_role("button", name=f"Switch to {company}").click()
    expect(_find_company(page)).to_contain_text(company)


def _find_company(page: Page) -> Any:
    return page.locator(".brand-org summary")
