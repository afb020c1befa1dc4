"""Templates obey the Content-Security-Policy: nothing inline, nothing from other hosts."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from django.contrib.staticfiles import finders

TEMPLATES = Path(__file__).resolve().parents[2] / "templates"
FORBIDDEN = {
    "an inline style": re.compile(r"\sstyle\s*=|<style\b", re.I),
    "an inline script": re.compile(r"<script(?![^>]*\bsrc=)[^>]*>", re.I),
    "an event handler": re.compile(r"\son[a-z]+\s*=|hx-on\b|href\s*=\s*[\"']\s*javascript:", re.I),
    "something from another host": re.compile(
        r"<(?:script|link|img|iframe|source|video|audio)\b[^>]*\b(?:src|href)\s*=\s*[\"'](?:https?:)?//",
        re.I,
    ),
    # A field's help text comes from our own forms; Django's templates mark it safe as well.
    "a value that Django does not escape": re.compile(r"(?<!help_text)\|\s*safe\b|autoescape off"),
}
STATIC = TEMPLATES.parent / "static"
DATA_ATTRIBUTE = re.compile(r"\s(data-[a-z-]+)")
WORD = re.compile(r"[\w-]+")
CSS_VALUE = re.compile(r"var\((--[\w-]+)")
CSS_DEFINITION = re.compile(r"(--[\w-]+)\s*:")
STATIC_FILE = re.compile(r"{%\s*static\s+[\"']([^\"'{}]+)[\"']")
COMMENT = re.compile(r"{#.*?#}|{% comment.*?endcomment %}|<!--.*?-->", re.S)


@pytest.mark.parametrize(
    "path", sorted(TEMPLATES.rglob("*.html")), ids=lambda path: str(path.relative_to(TEMPLATES))
)
def test_template_obeys_content_security_policy(path: Path) -> None:
    assert _find_violations(path.read_text()) == []


def test_static_files_exist() -> None:
    """Pages fail in production otherwise, where every file has a digest in its name."""
    named = {
        (str(path.relative_to(TEMPLATES)), name)
        for path in TEMPLATES.rglob("*.html")
        for name in STATIC_FILE.findall(path.read_text())
    }
    assert named
    assert sorted(pair for pair in named if finders.find(pair[1]) is None) == []


def test_data_attributes_are_read() -> None:
    """By a script, a style sheet, or Django's admin."""
    names = {
        name
        for path in TEMPLATES.rglob("*.html")
        for name in DATA_ATTRIBUTE.findall(path.read_text())
    }
    assert names
    sources = [*STATIC.glob("css/*.css"), *STATIC.glob("js/*.js")]
    read_words = set(WORD.findall("".join(path.read_text() for path in sources)))
    unread = {name for name in names if not {name, _to_property(name)} & read_words}
    assert unread == {"data-filter-title"}


def _to_property(attribute: str) -> str:
    """`data-confirm-text` is `dataset.confirmText`."""
    first, *others = attribute.removeprefix("data-").split("-")
    return f"{first}{''.join(map(str.title, others))}"


def test_styles_use_defined_values() -> None:
    sheets = "".join(path.read_text() for path in STATIC.glob("css/*.css"))
    assert set(CSS_VALUE.findall(sheets)) <= set(CSS_DEFINITION.findall(sheets))


def _find_violations(template: str) -> list[str]:
    text = COMMENT.sub("", template)
    return [name for name, pattern in FORBIDDEN.items() if pattern.search(text)]


@pytest.mark.parametrize(
    ("name", "template"),
    [
        ("an inline style", '<p style="color: red">'),
        ("an inline style", "<style>p { color: red }</style>"),
        ("an inline script", "<script>go()</script>"),
        ("an event handler", '<a onclick="go()">'),
        ("an event handler", "<a href='javascript:go()'>"),
        ("something from another host", '<img src="https://cdn.example/a.png">'),
        ("a value that Django does not escape", "{{ name|safe }}"),
        ("a value that Django does not escape", "{% autoescape off %}"),
    ],
)
def test_violation_is_found(name: str, template: str) -> None:
    assert _find_violations(template) == [name]
    assert _find_violations(f"{{# {template} #}}") == []
