"""Names that are long, invisible or written from right to left."""

from __future__ import annotations

import pytest
from django.template import Context, Template

from portal.core.names.text import clean_name, format_name, is_single_line


def _render(name: object) -> str:
    return Template("{{ name|isolate }}").render(Context({"name": name}))


@pytest.mark.parametrize(
    ("name", "html"),
    [
        ("Ann O'Brien", "Ann O&#x27;Brien"),
        ("<b>Ann</b>", "&lt;b&gt;Ann&lt;/b&gt;"),
        ("Anna\u202e", "<bdi>Anna</bdi>"),
        ("מנהל מוצר", "<bdi>מנהל מוצר</bdi>"),
        ("A" * 25, f'<bdi class="long-word">{"A" * 25}</bdi>'),
        ("\u200b", "No name"),
        ("\u3164 \u2800", "No name"),
        ("Ann\nSmith", "Ann Smith"),
        ("", ""),
        (None, ""),
    ],
)
def test_isolate_renders_name_safely(name: object, html: str) -> None:
    assert _render(name) == html


def test_isolate_escapes_joined_names_once() -> None:
    template = Template('{{ names|join:", "|isolate }}')
    assert template.render(Context({"names": ["O'Brien", "<i>"]})) == "O&#x27;Brien, &lt;i&gt;"


@pytest.mark.parametrize(
    "blank", ["\u200b", "\u3164", "\u115f\u1160", "\u00ad", "\u034f", "\ufe0f"]
)
def test_invisible_name_counts_as_none(blank: str) -> None:
    assert format_name(blank, f" {blank}") == ""
    assert format_name("Ann", blank).startswith("Ann")


@pytest.mark.parametrize(
    "separator", ["\n", "\r\n", "\t", "\x0b", "\x85", "\u2028", "\u2029", "\x00"]
)
def test_name_is_cleaned_to_one_line(separator: str) -> None:
    assert clean_name(f"Ann{separator}Smith") == "Ann Smith"
    assert not is_single_line(f"Ann{separator}")
