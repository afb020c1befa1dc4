"""Payload parts that v1 and v3 share: email addresses, phone numbers, answers, custom values."""

from __future__ import annotations

from typing import Any

import msgspec

from integrations.ats.error_descriptions import InvalidRecord
from integrations.ats.types import ApplicationAnswer, CustomValue
from integrations.greenhouse.payloads.decoding import (
    RawText,
    to_text,
    unique_texts,
)

_MAX_DEPTH = 32  # of values that are stored as they came


class ValueItem(msgspec.Struct):
    """An item such as ``{"value": "a@acme.example", "type": "work"}``."""

    value: RawText = None


ValueItems = list[ValueItem | None] | None


def extract_values(items: ValueItems) -> tuple[str, ...]:
    return unique_texts(item.value for item in items or () if item)


class AnswerItem(msgspec.Struct):
    question: RawText = None
    answer: Any = None


AnswerItems = list[AnswerItem | None] | None


def convert_answers(items: AnswerItems) -> tuple[ApplicationAnswer, ...]:
    """Convert answers; a non-text answer is kept as JSON."""
    return tuple(
        ApplicationAnswer(question=to_text(item.question), answer=_convert_answer_text(item.answer))
        for item in items or ()
        if item
    )


def _convert_answer_text(value: object) -> str | None:
    if value is None:
        return None
    if isinstance(value, str):
        return to_text(value)
    return msgspec.json.encode(_strip_null_characters(value)).decode()


def extract_custom_values(fields: object) -> dict[str, CustomValue]:
    """Map `{key: {name, type, value}}` to values by key; empty for any other shape."""
    if not isinstance(fields, dict):
        return {}
    return {
        to_text(key): _strip_null_characters(field.get("value"))
        for key, field in fields.items()
        if isinstance(field, dict)
    }


def _strip_null_characters(value: Any, depth: int = 0) -> Any:
    if value is None:
        return None
    if depth > _MAX_DEPTH:
        raise InvalidRecord("a value is nested too deeply")
    if isinstance(value, str):
        return to_text(value)
    if isinstance(value, list):
        return [_strip_null_characters(item, depth + 1) for item in value]
    if isinstance(value, dict):
        return {
            to_text(key): _strip_null_characters(item, depth + 1) for key, item in value.items()
        }
    return value
