"""Customer success in a real browser: helping a stuck customer, viewing as a member."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Browser, expect

from tests.journeys.conftest import (
    Demo,
    Person,
    get_visible_text,
    keep_screenshot,
    reload_until,
)

pytestmark = pytest.mark.browser

# Without the first two nobody sees any requisition.
MISSING = ["jobs.list", "jobs.retrieve", "applications.reject"]


@pytest.fixture
def stuck_credential(demo: Demo, person) -> dict[str, str]:
    """A credential too limited to finish setup, which Ada pasted before she left."""
    credential = demo.create_credential("key", MISSING)
    ada: Person = person("ada@acme.example")
    ada.open_path("/setup/credential/?kind=harvest_key")
    ada.page.get_by_label("Harvest API key", exact=True).fill(credential["key"])
    ada.page.get_by_role("button", name="Test and save").click()
    expect(get_visible_text(ada.page, "A required permission is missing")).to_be_visible()
    ada.page.close()
    return credential


def test_csm_finds_stuck_customer_and_sends_link(
    demo: Demo, person, browser: Browser, stuck_credential: dict[str, str]
) -> None:
    cas: Person = person("cas@portal.example")
    page = cas.page
    expect(page.get_by_role("heading", name="Needs attention")).to_be_visible()
    cas.check_page("59-desk")
    page.get_by_role("link", name="action needed").click()
    expect(page.get_by_role("link", name="Acme", exact=True)).to_be_visible()
    expect(page.get_by_role("link", name="Other Inc")).to_have_count(0)
    cas.check_page("60-board")
    page.get_by_role("link", name="Acme", exact=True).click()
    expect(get_visible_text(page, "Action needed").first).to_be_visible()
    expect(page.get_by_role("heading", name=re.compile("List Jobs")).first).to_be_visible()
    cas.check_page("61-customer")
    page.get_by_role("link", name=re.compile("List Jobs")).first.click()
    expect(get_visible_text(page, "Who can fix it")).to_be_visible()
    cas.check_page("61-issue")
    for name in ("setup-funnel", "records", "sync/job/access-check/?email=ada@acme.example"):
        cas.open_path(f"/admin/{name}" if "?" in name else f"/admin/{name}/")
        cas.check_page(f"61-{name.split('/')[0]}")
    cas.open_path("/admin/accounts/organization/")
    page.get_by_role("link", name="Acme", exact=True).click()

    page.locator(".support-next").get_by_role("link", name="Create a fix link").click()
    expect(get_visible_text(page, "You don't need an account")).to_be_visible()
    cas.check_page("62-link")
    page.get_by_role("button", name="Create link to copy").click()
    letter = page.locator("#email-text").inner_text()
    path = re.search(r"/setup/fix/\S+", letter)
    assert path, letter
    page.get_by_role("link", name="Done").click()
    issues = page.locator(".support-issue")
    expect(issues).to_have_count(3)

    # A colleague without an account grants the permissions in Greenhouse.
    context = browser.new_context(viewport={"width": 390, "height": 844})
    colleague = context.new_page()
    colleague.goto(demo.url + path[0])
    demo.grant_permissions(stuck_credential["key"], MISSING)
    colleague.get_by_role("button", name="Test again").click()
    done = get_visible_text(colleague, "All permissions granted. Thank you!", exact=True)
    expect(done).to_be_visible()
    context.close()

    # The issues close by themselves, and the timeline says so.
    reload_until(page, lambda: not issues.count())
    expect(issues).to_have_count(0)
    expect(get_visible_text(page, "Issue closed:").first).to_be_visible()
    cas.check_page("63-solved")


def test_csm_views_as_member_read_only(demo: Demo, person) -> None:
    cas: Person = person("cas@portal.example")
    page = cas.page
    cas.open_path("/admin/accounts/organization/")
    page.get_by_role("link", name="Acme", exact=True).click()
    page.get_by_role("link", name="View as Ada").click()
    page.get_by_label("Why do you need").fill("short")
    page.get_by_role("button", name="View as Ada").click()
    assert page.get_by_label("Why do you need").evaluate("field => field.validity.tooShort")
    cas.check_page("64-reason")
    page.get_by_label("Why do you need").fill("Ada asks where setup stands")
    page.get_by_role("button", name="View as Ada").click()
    banner = page.get_by_role("region", name="Viewing as someone else")
    expect(banner).to_contain_text("Viewing as Ada Adeyemi")
    expect(banner).to_contain_text("until")
    cas.check_page("65-looking")
    page.set_viewport_size({"width": 320, "height": 256})  # 1280 by 1024 at 400 %
    box = banner.bounding_box()
    assert box
    assert box["height"] <= 64
    expect(banner.get_by_role("button", name="Stop viewing")).to_be_in_viewport()
    keep_screenshot(page, "65-looking-400-percent")
    page.set_viewport_size({"width": 1280, "height": 900})

    cas.open_path("/members/")
    page.get_by_label("Email").fill("nia@acme.example")
    page.get_by_role("button", name="Send invitation").click()
    expect(get_visible_text(page, "You can't change anything while viewing")).to_be_visible()
    cas.check_page("66-only-looking")
    cas.open_path("/members/")
    expect(get_visible_text(page, "nia@acme.example")).to_have_count(0)
    banner.get_by_role("button", name="Stop viewing").click()
    expect(get_visible_text(page, "You're back as yourself.")).to_be_visible()

    ada: Person = person("ada@acme.example")
    ada.open_path("/activity-log/")
    expect(get_visible_text(ada.page, "Ada asks where setup stands")).to_be_visible()
    expect(get_visible_text(ada.page, "stopped viewing the portal as Ada Adeyemi")).to_be_visible()
    ada.check_page("67-their-log")
