"""From setup to a recruiter's action in a real browser."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import ConsoleMessage, Page, expect

from integrations.greenhouse import sandbox as greenhouse
from tests.journeys.conftest import Demo, Person, find_rows, get_visible_text, reload_until

pytestmark = pytest.mark.browser


# What HTMX reports when a newer request replaces one, such as of an email's preview.
# Requests that fail are reported as htmx:sendError or htmx:responseError as well.
_REPLACED_REQUEST = re.compile("^htmx:(afterRequest|sendAbort)")


def _collect_errors(page: Page) -> list[str]:
    """Collect the browser's errors, such as those of scripts and the content security policy."""
    errors: list[str] = []

    def collect(message: ConsoleMessage) -> None:
        if message.type == "error" and not _REPLACED_REQUEST.match(message.text):
            errors.append(message.text)

    page.on("console", collect)
    page.on("pageerror", lambda e: errors.append(str(e)))
    return errors


@pytest.mark.slow("walks through a whole setup")
def test_setup_to_recruiter_action(demo: Demo, person) -> None:
    ada = person("ada@acme.example", by_form=True)
    errors = _collect_errors(ada.page)
    ada.page.get_by_role("button", name="Continue").click()
    ada.check_page("1-credential")

    # A wrong credential is refused next to its field.
    ada.paste_v3(greenhouse.ACME_V3_CLIENT_ID, "not-the-secret-of-this-client")
    expect(ada.page.locator("#id_client_secret_error")).to_contain_text("doesn't accept")
    ada.check_page("2-credential-refused")
    errors.clear()  # Chromium reports the 422 itself as an error

    # With the right one every permission is granted, then everything is synced.
    ada.paste_v3(greenhouse.ACME_V3_CLIENT_ID, greenhouse.ACME_V3_CLIENT_SECRET)
    ada.await_permissions()
    ada.check_page("3-permissions")
    ada.page.get_by_role("link", name="Continue").click()
    ada.page.get_by_role("button", name="Continue").click()  # past the access preview
    ada.page.wait_for_url(re.compile("/setup/(sync|live)/"))
    ada.open_path("/setup/sync/")
    expect(get_visible_text(ada.page, "Everything is synced").first).to_be_visible()
    ada.open_path("/setup/sync/")  # where it didn't stay if it waited for the sync
    ada.check_page("4-sync")
    ada.page.get_by_role("link", name="View status").click()
    expect(ada.page.get_by_role("heading", name="Greenhouse connection")).to_be_visible()
    ada.check_page("5-live")
    assert errors == []

    # Each recruiter sees what Greenhouse lets them see.
    job_counts = demo.fetch_stats()["visible_open_jobs"]
    for name in ("sam", "remy"):
        recruiter = person(f"{name}@acme.example")
        expect(recruiter.page.locator("#job-count")).to_have_text(
            re.compile(rf"^\s*{job_counts[name]} requisition")
        )
    uma = person("uma@acme.example")
    expect(get_visible_text(uma.page, "No Greenhouse user has your email")).to_be_visible()
    uma.check_page("6-unmatched")

    # Remy advances one application and rejects another, in place.
    remy = person("remy@acme.example")
    errors = _collect_errors(remy.page)
    remy.check_page("7-requisitions")
    remy.page.locator("#job-table tbody a").first.click()
    remy.check_page("8-requisition")
    row, other = find_rows(remy.page)[:2]
    row.get_by_role("button", name="Advance").click()
    expect(row).to_contain_text("Advanced to")

    other.get_by_role("button", name="Reject").click()
    dialog = remy.page.locator("#action-dialog")
    dialog.get_by_role("button", name="Reject").click()
    expect(dialog).to_contain_text("Select a reason. Greenhouse requires one")
    remy.check_page("9-reject")
    dialog.get_by_label("Reason").select_option(index=1)
    dialog.get_by_role("button", name="Reject").click()
    expect(other).to_contain_text("Rejecting in")
    demo.end_holds()
    expect(other).to_contain_text("Rejected.")
    remy.check_page("10-acted")
    assert [c for c in errors if "422" not in c] == []

    # Vic may advance, but Greenhouse refuses his rejection.
    vic = person("vic@acme.example")
    vic.page.locator("#job-table tbody a").first.click()
    row = find_rows(vic.page, "Reject")[0]
    row.get_by_role("button", name="Reject").click()
    dialog = vic.page.locator("#action-dialog")
    dialog.get_by_label("Reason").select_option(index=1)
    dialog.get_by_role("button", name="Reject").click()
    expect(row).to_contain_text("Rejecting in")
    demo.end_holds()
    expect(row).to_contain_text("You don't have permission to do this")
    vic.check_page("11-refused")

    # Customer success sees the connection, but no secret.
    cas = person("cas@portal.example")
    cas.open_path("/admin/connections/connection/")
    expect(cas.page.get_by_role("link", name="Acme")).to_be_visible()
    cas.check_page("12-customers", axe=False)  # Django's own pages
    assert greenhouse.ACME_V3_CLIENT_SECRET not in cas.page.content()


def test_limited_v1_key_goes_live_partially(demo: Demo, person) -> None:
    credential = demo.create_credential("key", ["applications.reject", "candidates.list"])
    ada = person("ada@acme.example")
    ada.open_path("/setup/credential/?kind=harvest_key")
    ada.page.get_by_label("Harvest API key", exact=True).fill(credential["key"])
    ada.page.get_by_role("button", name="Test and save").click()
    expect(get_visible_text(ada.page, "Some permissions are missing")).to_be_visible()
    expect(get_visible_text(ada.page, "Post: Reject Application").first).to_be_visible()
    ada.check_page("20-missing")
    ada.page.get_by_role("link", name="Continue").click()
    ada.page.get_by_role("button", name="Continue").click()  # past the access preview
    ada.page.wait_for_url(re.compile("/setup/(sync|live)/"))
    ada.open_path("/setup/sync/")
    expect(get_visible_text(ada.page, "Synced, except lists without permission")).to_be_visible()
    ada.check_page("21-partial")
    sam = person("sam@acme.example")
    sam.page.locator("#job-table tbody a").first.click()
    reject = sam.page.get_by_role("button", name="Reject")
    expect(reject.first).to_have_attribute("aria-disabled", "true")
    sam.check_page("22-reject-is-off")


# Runs right after the scripts of a swap, before anything else can.
COUNT_FOCUS_LOSSES = """() => {
    window.swaps = window.losses = 0;
    new MutationObserver(() => {
        window.swaps += 1;
        if (document.activeElement === document.body) window.losses += 1;
    }).observe(document.querySelector("#applications tbody"), { childList: true });
}"""


def test_recruiter_acts_by_keyboard(connected_demo: Demo, person) -> None:
    remy = person("remy@acme.example")
    keys = remy.page.keyboard
    remy.tab_to("#job-table tbody a")
    keys.press("Enter")
    remy.page.wait_for_url(re.compile(r"/requisitions/\d+/"))
    row = find_rows(remy.page)[0]
    row_id = row.get_attribute("id")
    remy.tab_to(f"#{row_id} button[name=click]")
    remy.page.evaluate(COUNT_FOCUS_LOSSES)
    keys.press("Enter")
    expect(row).to_contain_text("Advanced to")
    # The row keeps the focus through every swap, and the live region announces the result.
    assert remy.page.evaluate("[window.swaps > 1, window.losses]") == [True, 0]
    focused = remy.page.evaluate("document.activeElement.closest('tr')?.id")
    assert focused == row_id
    expect(remy.page.locator("#live")).to_contain_text("advanced to")

    remy.tab_to(f"#{row_id} button[id^=reject]")
    keys.press("Enter")
    expect(remy.page.get_by_label("Reason")).to_be_focused()
    keys.press("ArrowDown")
    remy.tab_to("#action-dialog button[type=submit]")
    keys.press("Enter")
    expect(row).to_contain_text("Rejecting in")
    connected_demo.end_holds()
    expect(row).to_contain_text("Rejected.")


@pytest.mark.slow("reloads until it is there")
def test_setup_to_action_without_javascript(demo: Demo, person) -> None:
    ada = person("ada@acme.example", scripts=False, by_form=True)
    ada.paste_v3(greenhouse.ACME_V3_CLIENT_ID, greenhouse.ACME_V3_CLIENT_SECRET)
    _reload_until(ada, "All permissions granted")
    ada.page.get_by_role("link", name="Continue").click()
    ada.page.get_by_role("button", name="Continue").click()  # past the access preview
    ada.page.wait_for_url(re.compile("/setup/(sync|live)/"))
    ada.open_path("/setup/sync/")
    _reload_until(ada, "Everything is synced")
    remy = person("remy@acme.example", scripts=False)
    remy.page.locator("#job-table tbody a").first.click()
    row, other = find_rows(remy.page)[:2]
    row.get_by_role("button", name="Advance").click()
    _reload_until(remy, "Advanced to")
    other.get_by_role("button", name="Reject").click()
    remy.page.get_by_label("Reason").select_option(index=1)
    remy.check_page("30-reject-without-scripts", axe=False)  # axe itself is a script
    remy.page.get_by_role("button", name="Reject").click()
    remy.page.get_by_role("link", name="All").click()
    expect(get_visible_text(remy.page, "Rejecting in").first).to_be_visible()
    demo.end_holds()
    _reload_until(remy, "Rejected.")


def _reload_until(user: Person, text: str) -> None:
    """Reload the page until it shows this text, as one does without scripts."""
    shown = get_visible_text(user.page, text).first
    reload_until(user.page, lambda: shown.count() > 0)
    expect(shown).to_be_visible()
