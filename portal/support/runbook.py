"""The runbook (docs/runbook.md) in parts: what each alarm means, where to look, what to do."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from django.conf import settings
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from portal.issues.models import Issue

PATH = Path(settings.BASE_DIR) / "docs" / "runbook.md"
_PART = re.compile(r"- \*\*(\w+)\*\*: (.+)")
_MARK = re.compile(r"`([^`]+)`|\[([^\]]+)\]\([^)]+\)")


@dataclass(frozen=True)
class Section:
    """One alarm. `parts` are label and sentence, in the order of the page."""

    key: str
    title: str
    parts: tuple[tuple[str, SafeString], ...]


@cache
def sections() -> tuple[Section, ...]:
    """Every alarm of the page, in its order."""
    found = []
    for block in PATH.read_text().split("\n## ")[1:]:
        heading, _, text = block.partition("\n")
        key, _, title = heading.partition(": ")
        parts = tuple((label, _sentence(words)) for label, words in _PART.findall(text))
        found.append(Section(key, title or dict(Issue.Cause.choices).get(key, key), parts))
    return tuple(found)


def _sentence(text: str) -> SafeString:
    return _marked(text[:1].upper() + text[1:])


def _marked(text: str) -> SafeString:
    """Plain text with its `code` as such; a link is its words."""
    return format_html_join("", "{}", ((piece,) for piece in _pieces(text)))


def _pieces(text: str) -> Iterator[str | SafeString]:
    after = 0
    for mark in _MARK.finditer(text):
        yield text[after : mark.start()]
        yield format_html("<code>{}</code>", mark[1]) if mark[1] else mark[2]
        after = mark.end()
    yield text[after:]
