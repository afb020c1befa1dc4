"""Parses docs/runbook.md: what each alert means, where to look, what to do."""

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

RUNBOOK_PATH = Path(settings.BASE_DIR) / "docs" / "runbook.md"
_PART_PATTERN = re.compile(r"- \*\*(\w+)\*\*: (.+)")
_LABELS = {"Means": "What it means", "Look": "Where to look", "Do": "What to do"}
_MARKUP_PATTERN = re.compile(r"`([^`]+)`|\[([^\]]+)\]\([^)]+\)")


@dataclass(frozen=True)
class RunbookSection:
    """One alert; `parts` are pairs of label and sentence."""

    key: str
    title: str
    parts: tuple[tuple[str, SafeString], ...]


@cache
def load_sections() -> tuple[RunbookSection, ...]:
    parsed_sections = []
    for block in RUNBOOK_PATH.read_text().split("\n## ")[1:]:
        heading, _, text = block.partition("\n")
        key, _, title = heading.partition(": ")
        parts = tuple(
            (_LABELS.get(label, label), _format_sentence(sentence))
            for label, sentence in _PART_PATTERN.findall(text)
        )
        parsed_sections.append(
            RunbookSection(key, title or dict(Issue.Cause.choices).get(key, key), parts)
        )
    return tuple(parsed_sections)


def _format_sentence(text: str) -> SafeString:
    is_address = text.startswith("https://")
    return _render_markup(text if is_address else text[:1].upper() + text[1:])


def _render_markup(text: str) -> SafeString:
    return format_html_join("", "{}", ((piece,) for piece in _split_markup(text)))


def _split_markup(text: str) -> Iterator[str | SafeString]:
    position = 0
    for mark in _MARKUP_PATTERN.finditer(text):
        yield text[position : mark.start()]
        yield format_html("<code>{}</code>", mark[1]) if mark[1] else mark[2]
        position = mark.end()
    yield text[position:]
