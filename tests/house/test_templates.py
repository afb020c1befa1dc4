"""Templates obey the Content-Security-Policy: nothing inline, nothing from elsewhere."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

TEMPLATES = Path(__file__).resolve().parents[2] / "templates"
FORBIDDEN = {
    "an inline style": re.compile(r"\sstyle\s*=|<style\b", re.I),
    "an inline script": re.compile(r"<script(?![^>]*\bsrc=)[^>]*>", re.I),
    "an event handler": re.compile(r"\son[a-z]+\s*=|hx-on\b|href\s*=\s*[\"']\s*javascript:", re.I),
    "something from another host": re.compile(
        r"<(?:script|link|img|iframe|source|video|audio)\b[^>]*\b(?:src|href)\s*=\s*[\"'](?:https?:)?//",
        re.I,
    ),
    # A field's help text is ours, from the code of its form: Django's own templates say it is safe.
    "a value that Django does not escape": re.compile(r"(?<!help_text)\|\s*safe\b|autoescape off"),
}
COMMENT = re.compile(r"{#.*?#}|{% comment.*?endcomment %}|<!--.*?-->", re.S)


@pytest.mark.parametrize(
    "path", sorted(TEMPLATES.rglob("*.html")), ids=lambda path: str(path.relative_to(TEMPLATES))
)
def test_a_template_has_nothing_that_the_browser_would_refuse(path: Path) -> None:
    text = COMMENT.sub("", path.read_text())
    assert [what for what, pattern in FORBIDDEN.items() if pattern.search(text)] == []
