"""A CSM of 200 customers finds the stuck one by keyboard, understands it, and acts."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from tests.journeys.conftest import Demo, Person, get_visible_text
from tests.journeys.prepared_customers import STUCK_CUSTOMER

pytestmark = pytest.mark.browser

COLLEAGUE = "gil@customer-187.example"


@pytest.mark.slow("prepares 200 customers")
def test_csm_unblocks_stuck_customer_by_keyboard(demo: Demo, person) -> None:
    demo.run_function("tests.journeys.prepared_customers.create_customers")
    cas: Person = person("cas@portal.example")
    page, keys = cas.page, cas.page.keyboard
    expect(page.get_by_role("link", name="202 customers")).to_be_visible()  # with the demo's two
    cas.check_page("85-desk")

    # The front page names the customer, what is wrong, since when, and the next step.
    row = page.locator(".support-rows li").filter(has_text=STUCK_CUSTOMER)
    expect(row).to_contain_text("Greenhouse permission missing")
    expect(row).to_contain_text("3 days")
    expect(row).to_contain_text("Send a fix link")
    expect(page.locator(".support-rows li").first).to_contain_text(STUCK_CUSTOMER)
    expect(page.get_by_role("link", name="1 action needed")).to_be_visible()

    # First click: the customer, where the issue is explained.
    cas.tab_to(".support-rows li:first-child a.support-name")
    keys.press("Enter")
    page.wait_for_url(re.compile(r"/admin/accounts/organization/\d+/summary/"))
    expect(page.locator(".support-issue")).to_contain_text("No requisitions can be shown")
    cas.check_page("86-stuck-customer")

    # Second click: what to send.
    cas.tab_to(".support-next a.button")
    keys.press("Enter")
    expect(page.locator("#email-text")).to_contain_text("harvest:jobs:list")
    cas.check_page("87-fix-link")

    # Third click: it is sent to the colleague who manages Greenhouse.
    cas.tab_to("input[name=to]")
    keys.press("ArrowDown")  # from their admin to somebody else
    cas.tab_to("#id_other")
    keys.type(COLLEAGUE)
    cas.tab_to("button[name=send]")
    keys.press("Enter")
    expect(get_visible_text(page, f"Fix link sent to {COLLEAGUE}.")).to_be_visible()
    cas.check_page("88-sent")
    assert demo.read_link(COLLEAGUE, "/setup/fix/")
