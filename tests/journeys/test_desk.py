"""Customer success in a real browser: a morning with a stuck customer, and a look as somebody."""

from __future__ import annotations

import re

import httpx
import pytest
from playwright.sync_api import Browser, expect

from tests.journeys.conftest import Demo, Person

pytestmark = pytest.mark.browser

# Without the first two nothing can be shown to anybody.
LACKS = ["jobs.list", "jobs.retrieve", "applications.reject"]


@pytest.fixture
def stuck(demo: Demo, person) -> dict[str, str]:
    """Acme's credential, with which set-up cannot go on. Ada has closed the tab."""
    made = demo.new_credential("key", LACKS)
    ada: Person = person("ada@acme.example")
    ada.goes_to("/set-up/credential/?kind=harvest_key")
    ada.page.get_by_label("Harvest API key", exact=True).fill(made["key"])
    ada.page.get_by_role("button", name="Try and save").click()
    expect(ada.page.get_by_text("Something essential is missing")).to_be_visible()
    ada.page.close()
    return made


def test_a_morning_finds_the_stuck_customer_and_sends_the_link(
    demo: Demo, person, browser: Browser, stuck: dict[str, str]
) -> None:
    cas: Person = person("cas@portal.example")
    page = cas.page
    expect(page.get_by_text("where somebody must act")).to_be_visible()
    page.get_by_role("link", name="where somebody must act").click()
    expect(page.get_by_role("link", name="Other Inc")).to_have_count(0)
    cas.keeps_picture("60-board")
    page.get_by_role("link", name="Acme", exact=True).click()
    expect(page.get_by_text("Somebody must act").first).to_be_visible()
    expect(page.get_by_role("heading", name=re.compile("List Jobs")).first).to_be_visible()
    cas.keeps_picture("61-customer")

    page.locator(".desk-next").get_by_role("link", name="Make a link").click()
    expect(page.get_by_text("You need no account")).to_be_visible()
    cas.keeps_picture("62-link")
    page.get_by_role("button", name="Make it, to copy").click()
    letter = page.locator("#letter").inner_text()
    path = re.search(r"/set-up/fix/\S+", letter)
    assert path, letter
    page.get_by_role("link", name="Done").click()
    issues = page.locator(".desk-issue")
    expect(issues).to_have_count(3)

    # A colleague at the customer's, without an account, ticks the boxes in Greenhouse.
    context = browser.new_context(viewport={"width": 390, "height": 844})
    colleague = context.new_page()
    colleague.goto(demo.url + path[0])
    body = {"credential": stuck["key"], "grant": LACKS}
    httpx.patch(f"{demo.greenhouse}/__credentials", json=body, timeout=60).raise_for_status()
    colleague.get_by_role("button", name="Test again").click()
    expect(colleague.get_by_text("Everything is ticked. Thank you!", exact=True)).to_be_visible()
    context.close()

    # Nobody has to tell Cas: the issues are closed, and the story says so.
    page.reload()
    expect(issues).to_have_count(0)
    expect(page.get_by_text("Issue closed:").first).to_be_visible()
    cas.keeps_picture("63-solved")


def test_a_look_as_somebody_shows_all_of_it_and_does_nothing(demo: Demo, person) -> None:
    cas: Person = person("cas@portal.example")
    page = cas.page
    cas.goes_to("/admin/accounts/organization/")
    page.get_by_role("link", name="Acme", exact=True).click()
    page.get_by_role("link", name="Look as Ada").click()
    page.get_by_label("Why do you need").fill("short")
    page.get_by_role("button", name="Look as Ada").click()
    assert page.get_by_label("Why do you need").evaluate("one => one.validity.tooShort")
    cas.keeps_picture("64-reason")
    page.get_by_label("Why do you need").fill("Ada asks where set-up stands")
    page.get_by_role("button", name="Look as Ada").click()
    banner = page.get_by_role("region", name="You are looking as somebody else")
    expect(banner).to_contain_text("You see what Ada Adeyemi sees")
    expect(banner).to_contain_text("until")
    cas.keeps_picture("65-looking")

    cas.goes_to("/members/")
    page.get_by_label("E-mail").fill("nia@acme.example")
    page.get_by_role("button", name="Send the invitation").click()
    expect(page.get_by_text("You are only looking")).to_be_visible()
    cas.keeps_picture("66-only-looking")
    cas.goes_to("/members/")
    expect(page.get_by_text("nia@acme.example")).to_have_count(0)
    banner.get_by_role("button", name="Stop looking").click()
    expect(page.get_by_text("You are yourself again.")).to_be_visible()

    ada: Person = person("ada@acme.example")
    ada.goes_to("/log/")
    expect(ada.page.get_by_text("Ada asks where set-up stands")).to_be_visible()
    expect(ada.page.get_by_text("no longer looks at the portal as Ada Adeyemi")).to_be_visible()
    ada.keeps_picture("67-their-log")
