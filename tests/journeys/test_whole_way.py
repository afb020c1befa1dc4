"""The whole way in a real browser: set-up, sync, list, advance, reject."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Locator, Page, expect

from integrations.greenhouse import sandbox as greenhouse
from tests.journeys.conftest import PATIENCE, Demo, Person

pytestmark = pytest.mark.browser


def _complaints(page: Page) -> list[str]:
    """What the browser complains about: scripts, the content security policy."""
    found: list[str] = []
    page.on("console", lambda m: found.append(m.text) if m.type == "error" else None)
    page.on("pageerror", lambda e: found.append(str(e)))
    return found


def _pastes_v3(ada: Person, client_id: str, client_secret: str) -> None:
    ada.goes_to("/set-up/credential/")
    ada.page.get_by_label("Client ID").fill(client_id)
    ada.page.get_by_label("Client secret", exact=True).fill(client_secret)
    ada.page.get_by_role("button", name="Try and save").click()


def _rows_offering(page: Page, role: str, name: str) -> list[Locator]:
    """The rows whose button is on, each by its own id, so that it is found again once swapped."""
    button = page.get_by_role(role, name=re.compile(f"^{name}"), disabled=False)  # type: ignore[arg-type]
    rows = page.locator("tr[id^=application-]").filter(has=button)
    return [page.locator(f"tr#{row.get_attribute('id')}") for row in rows.all()]


def test_from_the_credential_to_a_recruiters_click(demo: Demo, person) -> None:
    ada = person("ada@acme.example")
    complaints = _complaints(ada.page)
    ada.page.get_by_role("link", name="Connect Greenhouse").click()
    ada.page.get_by_role("button", name="Go on").click()
    ada.keeps_picture("1-credential")

    # A wrong credential is refused next to its field.
    _pastes_v3(ada, greenhouse.ACME_V3_CLIENT_ID, "not-the-secret")
    expect(ada.page.locator("#id_client_secret_error")).to_contain_text("does not accept")
    ada.keeps_picture("2-credential-refused")
    complaints.clear()  # Chromium reports the 422 itself as an error

    # The right one: every permission is ticked off, then everything is read.
    _pastes_v3(ada, greenhouse.ACME_V3_CLIENT_ID, greenhouse.ACME_V3_CLIENT_SECRET)
    expect(ada.page.get_by_text("Everything is granted")).to_be_visible()
    ada.keeps_picture("3-permissions")
    ada.page.get_by_role("link", name="Go on").click()
    ada.page.get_by_role("button", name="Go on").click()  # past the people's rehearsal
    expect(ada.page.get_by_text("Everything has been read")).to_be_visible()
    ada.keeps_picture("4-sync")
    ada.page.get_by_role("link", name="See what is on").click()
    expect(ada.page.get_by_role("heading", name="Greenhouse is connected")).to_be_visible()
    ada.keeps_picture("5-live")
    assert complaints == []

    # Each recruiter sees what Greenhouse lets them see.
    truth = demo.stats()["visible_open_jobs"]
    for name in ("sam", "remy"):
        somebody = person(f"{name}@acme.example")
        expect(somebody.page.locator("#job-count")).to_have_text(
            re.compile(rf"^\s*{truth[name]} requisition")
        )
    uma = person("uma@acme.example")
    expect(uma.page.get_by_text("Nobody in Greenhouse has your address")).to_be_visible()
    uma.keeps_picture("6-unmatched")

    # Remy advances one application and rejects another, in place.
    remy = person("remy@acme.example")
    complaints = _complaints(remy.page)
    remy.keeps_picture("7-requisitions")
    remy.page.locator("#job-table tbody a").first.click()
    remy.keeps_picture("8-requisition")
    row, other = _rows_offering(remy.page, "button", "Advance")[:2]
    row.get_by_role("button", name="Advance").click()
    expect(row).to_contain_text("Advanced in Greenhouse")

    other.get_by_role("link", name="Reject").click()
    other.get_by_role("button", name="Reject").click()
    expect(other).to_contain_text("Choose a reason, please")
    remy.keeps_picture("9-reject")
    other.get_by_label("Reason").select_option(index=1)
    other.get_by_role("button", name="Reject").click()
    expect(other).to_contain_text("Rejected in Greenhouse")
    remy.keeps_picture("10-acted")
    assert [c for c in complaints if "422" not in c] == []

    # Vic may advance, but Greenhouse does not let him reject, and says so.
    vic = person("vic@acme.example")
    vic.page.locator("#job-table tbody a").first.click()
    row = _rows_offering(vic.page, "link", "Reject")[0]
    row.get_by_role("link", name="Reject").click()
    row.get_by_label("Reason").select_option(index=1)
    row.get_by_role("button", name="Reject").click()
    expect(row).to_contain_text("Your rights there decide")
    vic.keeps_picture("11-refused")

    # Customer success sees it all, and no secret.
    cas = person("cas@portal.example")
    cas.goes_to("/admin/connections/connection/")
    expect(cas.page.get_by_role("link", name="Acme")).to_be_visible()
    cas.keeps_picture("12-customers", axe=False)  # Django's own pages
    assert greenhouse.ACME_V3_CLIENT_SECRET not in cas.page.content()


def test_a_v1_key_with_something_missing_goes_live_with_the_rest(demo: Demo, person) -> None:
    made = demo.new_credential("key", ["applications.reject", "candidates.list"])
    ada = person("ada@acme.example")
    ada.goes_to("/set-up/credential/?kind=harvest_key")
    ada.page.get_by_label("Harvest API key", exact=True).fill(made["key"])
    ada.page.get_by_role("button", name="Try and save").click()
    expect(ada.page.get_by_text("Something is missing, the rest goes live")).to_be_visible()
    expect(ada.page.get_by_text("Post: Reject Application").first).to_be_visible()
    ada.keeps_picture("20-missing")
    ada.page.get_by_role("link", name="Go on").click()
    ada.page.get_by_role("button", name="Go on").click()  # past the people's rehearsal
    expect(ada.page.get_by_text("What is switched on has been read")).to_be_visible()
    ada.keeps_picture("21-partial")
    sam = person("sam@acme.example")
    sam.page.locator("#job-table tbody a").first.click()
    reject = sam.page.get_by_role("button", name="Reject")
    expect(reject.first).to_have_attribute("aria-disabled", "true")
    sam.keeps_picture("22-reject-is-off")


# Looks as soon as the scripts of a swap have run, before anything else can.
COUNTS_LOSSES_OF_FOCUS = """() => {
    window.swaps = window.losses = 0;
    new MutationObserver(() => {
        window.swaps += 1;
        if (document.activeElement === document.body) window.losses += 1;
    }).observe(document.querySelector("#applications tbody"), { childList: true });
}"""


def test_a_recruiter_acts_by_keyboard_alone(demo: Demo, person) -> None:
    ada = person("ada@acme.example")
    _pastes_v3(ada, greenhouse.ACME_V3_CLIENT_ID, greenhouse.ACME_V3_CLIENT_SECRET)
    expect(ada.page.get_by_text("Everything is granted")).to_be_visible()
    ada.goes_to("/set-up/sync/")
    expect(ada.page.get_by_text("Everything has been read")).to_be_visible()

    remy = person("remy@acme.example")
    keys = remy.page.keyboard
    _tabs_to(remy.page, "#job-table tbody a")
    keys.press("Enter")
    remy.page.wait_for_url(re.compile(r"/requisitions/\d+/"))
    row = _rows_offering(remy.page, "button", "Advance")[0]
    here = row.get_attribute("id")
    _tabs_to(remy.page, f"#{here} button[type=submit]")
    remy.page.evaluate(COUNTS_LOSSES_OF_FOCUS)
    keys.press("Enter")
    expect(row).to_contain_text("Advanced in Greenhouse")
    # The focus stays with the row through every swap, and the live region says what happened.
    assert remy.page.evaluate("[window.swaps > 1, window.losses]") == [True, 0]
    focused = remy.page.evaluate("document.activeElement.closest('tr')?.id")
    assert focused == here
    expect(remy.page.locator("#live")).to_contain_text("Advanced in Greenhouse")

    _tabs_to(remy.page, f"#{here} a[id^=reject]")
    keys.press("Enter")
    expect(row.get_by_label("Reason")).to_be_visible()
    _tabs_to(remy.page, f"#{here} select")
    keys.press("ArrowDown")
    _tabs_to(remy.page, f"#{here} button[type=submit]")
    keys.press("Enter")
    expect(row).to_contain_text("Rejected in Greenhouse")


def _tabs_to(page: Page, selector: str) -> None:
    """Press Tab until an element that fits has the focus."""
    for _ in range(80):
        if page.evaluate("s => document.activeElement.matches(s)", selector):
            return
        page.keyboard.press("Tab")
    pytest.fail(f"Tab never reached {selector}")


def test_the_whole_way_without_javascript(demo: Demo, person) -> None:
    ada = person("ada@acme.example", scripts=False)
    _pastes_v3(ada, greenhouse.ACME_V3_CLIENT_ID, greenhouse.ACME_V3_CLIENT_SECRET)
    _until(ada, "Everything is granted")
    ada.page.get_by_role("link", name="Go on").click()
    ada.page.get_by_role("button", name="Go on").click()  # past the people's rehearsal
    _until(ada, "Everything has been read")
    remy = person("remy@acme.example", scripts=False)
    remy.page.locator("#job-table tbody a").first.click()
    row, other = _rows_offering(remy.page, "button", "Advance")[:2]
    row.get_by_role("button", name="Advance").click()
    _until(remy, "Advanced in Greenhouse")
    other.get_by_role("link", name="Reject").click()
    remy.page.get_by_label("Reason").select_option(index=1)
    remy.keeps_picture("30-reject-without-scripts", axe=False)  # axe itself is a script
    remy.page.get_by_role("button", name="Reject").click()
    remy.page.get_by_role("link", name="All").click()
    _until(remy, "Rejected in Greenhouse")


def _until(somebody: Person, words: str) -> None:
    """Load the page again until the words stand there, as a person without scripts does."""
    for _ in range(PATIENCE // 250):
        if somebody.page.get_by_text(words).count():
            return
        somebody.page.wait_for_timeout(250)
        somebody.page.reload()
    pytest.fail(f"“{words}” did not appear on {somebody.page.url}")
