from __future__ import annotations

from django import template

register = template.Library()

# The first match counts: Edge and Opera name Chrome, Chrome names Safari, phones name Linux or Mac.
_BROWSERS = {
    "Edg": "Edge",
    "OPR/": "Opera",
    "Firefox/": "Firefox",
    "FxiOS/": "Firefox",
    "Chrome/": "Chrome",
    "CriOS/": "Chrome",
    "Safari/": "Safari",
}
_SYSTEMS = {
    "Android": "Android",
    "iPhone": "iPhone",
    "iPad": "iPad",
    "Windows": "Windows",
    "Mac OS X": "Mac",
    "CrOS": "ChromeOS",
    "Linux": "Linux",
}


@register.filter("browser_name")
def describe_browser(user_agent: str) -> str:
    """As "Chrome on Windows"; the user agent itself if its browser isn't recognized."""
    browser = next((name for token, name in _BROWSERS.items() if token in user_agent), "")
    system = next((name for token, name in _SYSTEMS.items() if token in user_agent), "")
    if browser and system:
        return f"{browser} on {system}"
    return browser or user_agent
