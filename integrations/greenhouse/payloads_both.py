"""What Harvest v1 and v3 write in the same way: addresses, phone numbers, answers, own fields."""

from __future__ import annotations

from typing import Any

import msgspec

from integrations.ats.types import Answer, CustomValue
from integrations.greenhouse.reading import Text, distinct, text


class Valued(msgspec.Struct):
    """An item such as ``{"value": "a@acme.example", "type": "work"}``."""

    value: Text = None


Values = list[Valued | None] | None


def values(items: Values) -> tuple[str, ...]:
    """What the items hold, once each, in order."""
    return distinct(item.value for item in items or () if item)


class Answered(msgspec.Struct):
    """A question of the application form with its answer, which may be of any type."""

    question: Text = None
    answer: Any = None


Answers = list[Answered | None] | None


def answers(items: Answers) -> tuple[Answer, ...]:
    """The answers in our words; one that is no text is kept as its JSON."""
    return tuple(
        Answer(question=text(one.question), answer=_text(one.answer)) for one in items or () if one
    )


def _text(value: object) -> str | None:
    if value is None or isinstance(value, str):
        return None if value is None else text(value)
    return msgspec.json.encode(_plain(value)).decode()


def custom_values(fields: object) -> dict[str, CustomValue]:
    """`{key: {name, type, value}}` as the values by key; of another shape: nothing.

    Source: v1's `keyed_custom_fields` (which some accounts do not have), v3's `custom_fields`.
    """
    if not isinstance(fields, dict):
        return {}
    told = ((key, one) for key, one in fields.items() if isinstance(one, dict))
    return {text(key): _plain(one.get("value")) for key, one in told}


def _plain(value: Any) -> Any:
    """A value of any shape without the null characters in its texts and keys."""
    if isinstance(value, str):
        return text(value)
    if isinstance(value, list):
        return [_plain(one) for one in value]
    if isinstance(value, dict):
        return {text(key): _plain(one) for key, one in value.items()}
    return value
