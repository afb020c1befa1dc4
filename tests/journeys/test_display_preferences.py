"""Reduced motion, and colors that the system forces on the page."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from tests.journeys.conftest import Demo

pytestmark = pytest.mark.browser

# What runs in the frames after a click, so that a change of the theme can be watched.
SWITCH_TO_DARK = """async () => {
    const settled = () => [...document.querySelectorAll("body, body *")]
        .map((element) => getComputedStyle(element))
        .map((style) => [style.color, style.backgroundColor, style.borderTopColor].join());
    document.querySelector("[data-theme-choice=dark]").click();
    await new Promise(requestAnimationFrame);
    const running = document.getAnimations().length;
    const first = settled();
    await new Promise((resolve) => setTimeout(resolve, 400));
    return { running, unsettled: settled().filter((style, at) => style !== first[at]).length };
}"""

READ_ENTRIES = """() => [...document.querySelectorAll(".topnav a")].map((link) => {
    const style = getComputedStyle(link);
    return [link.textContent.trim(), style.backgroundColor, style.color];
})"""


def _switch_to_dark(page: Page) -> dict[str, int]:
    outcome: dict[str, int] = page.evaluate(SWITCH_TO_DARK)
    expect(page.locator("html")).to_have_attribute("data-bs-theme", "dark")
    return outcome


@pytest.mark.parametrize("path", ["/setup/credential/", "/requisitions/", "/members/"])
def test_theme_switch_without_motion(connected_demo: Demo, ada, path: str) -> None:
    ada.page.emulate_media(color_scheme="light", reduced_motion="reduce")
    ada.open_path(path)
    assert _switch_to_dark(ada.page) == {"running": 0, "unsettled": 0}


def test_current_entry_under_forced_colors(connected_demo: Demo, ada) -> None:
    ada.page.emulate_media(forced_colors="active")
    for path, name in (
        ("/requisitions/", "Requisitions"),
        ("/setup/credential/", "Setup"),
        ("/activity-log/", "Activity log"),
        ("/members/", "Members"),
    ):
        ada.open_path(path)
        entries = ada.page.evaluate(READ_ENTRIES)
        backgrounds = {label: background for label, background, _ in entries}
        current = backgrounds.pop(name)
        assert set(backgrounds.values()).isdisjoint({current}), path
        colors = {label: color for label, _, color in entries}
        assert colors[name] != current, path
