"""Reduced motion, and colors that the system forces on the page."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from tests.journeys.conftest import Demo

pytestmark = pytest.mark.browser

# What runs in the frames after a click, so that a change of the theme can be watched.
# Elements are compared with themselves: HTMX may replace part of the page meanwhile.
SWITCH_TO_DARK = """async () => {
    const read = (element) => {
        const { color, backgroundColor, borderTopColor } = getComputedStyle(element);
        return [color, backgroundColor, borderTopColor].join();
    };
    document.querySelector("[data-theme-choice=dark]").click();
    await new Promise(requestAnimationFrame);
    const running = document.getAnimations().length;
    const first = [...document.querySelectorAll("body, body *")].map((one) => [one, read(one)]);
    await new Promise((resolve) => setTimeout(resolve, 400));
    const kept = first.filter(([element]) => element.isConnected);
    const unsettled = kept.filter(([element, style]) => read(element) !== style);
    return { running, unsettled: unsettled.length };
}"""

# Whether each link is drawn in the system's colors of a selection.
READ_SELECTIONS = """links => {
    const probe = document.createElement("span");
    probe.style = "forced-color-adjust: none; background: Highlight; color: HighlightText";
    document.body.append(probe);
    const read = (element) => {
        const { backgroundColor, color } = getComputedStyle(element);
        return `${color} on ${backgroundColor}`;
    };
    return links.map((link) => [link.innerText.trim(), read(link) === read(probe)]);
}"""


def _switch_to_dark(page: Page) -> dict[str, int]:
    outcome: dict[str, int] = page.evaluate(SWITCH_TO_DARK)
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    return outcome


@pytest.mark.parametrize("path", ["/setup/credential/", "/requisitions/", "/members/"])
def test_theme_switch_without_motion(connected_demo: Demo, ada, path: str) -> None:
    ada.page.emulate_media(color_scheme="light", reduced_motion="reduce")
    ada.open_path(path)
    assert _switch_to_dark(ada.page) == {"running": 0, "unsettled": 0}


@pytest.mark.parametrize(
    ("path", "current"),
    [
        ("/requisitions/", ["Requisitions", "All open"]),
        ("/setup/credential/", ["Setup", "Harvest v3"]),
        ("/activity-log/", ["Activity log"]),
        ("/members/", ["Members"]),
        ("/account/sessions/", ["Sessions"]),
    ],
)
def test_current_entry_under_forced_colors(
    connected_demo: Demo, ada, path: str, current: list[str]
) -> None:
    ada.page.emulate_media(forced_colors="active")
    ada.open_path(path)
    links = ada.page.locator(".topnav a, a.tab, a.chip, a[aria-current]")
    selected = [label for label, is_selected in links.evaluate_all(READ_SELECTIONS) if is_selected]
    assert selected == current
