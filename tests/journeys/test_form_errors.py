"""An error in a form stands with its own field, however the form was sent."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from tests.journeys.conftest import Demo, get_visible_text

pytestmark = pytest.mark.browser

MEASURE_GAPS = """() => {
    const fields = [...document.querySelectorAll("main input:not([type=hidden], [type=checkbox])")];
    return [...document.querySelectorAll("main .field-error")].map((error) => {
        const { top, bottom } = error.getBoundingClientRect();
        const own = fields.filter((field) => field.getBoundingClientRect().bottom <= top).at(-1);
        const next = [...document.querySelectorAll("main .field-label, main [type=submit]")]
            .find((label) => label.getBoundingClientRect().top >= bottom);
        return {
            before: top - own.getBoundingClientRect().bottom,
            after: next.getBoundingClientRect().top - bottom,
        };
    });
}"""


def _check_gaps(page: Page, count: int) -> None:
    gaps = page.evaluate(MEASURE_GAPS)
    assert len(gaps) == count
    for gap in gaps:
        assert gap["before"] <= 10 <= gap["after"] - 4, gaps


@pytest.mark.parametrize("scripts", [True, False])
def test_credential_errors_stand_with_field(demo: Demo, person, scripts: bool) -> None:
    ada = person("ada@acme.example", scripts=scripts)
    ada.open_path("/setup/credential/")
    ada.page.get_by_role("button", name="Test and save").click()
    expect(ada.page.locator(".field-error")).to_have_count(2)
    if scripts:
        expect(get_visible_text(ada.page, "Paste the client ID.").first).to_be_visible()
        _check_gaps(ada.page, 2)
        ada.check_page("credential-errors")


def test_single_sign_on_errors_stand_with_field(demo: Demo, person) -> None:
    ada = person("ada@acme.example")
    ada.open_path("/single-sign-on/")
    ada.page.get_by_role("button", name="Save").click()
    expect(get_visible_text(ada.page, "Enter a name.").first).to_be_visible()
    _check_gaps(ada.page, 3)
    ada.check_page("sso-errors")
