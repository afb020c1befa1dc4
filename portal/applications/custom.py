"""Values of custom fields: as Greenhouse tells them, as they are sent, as people read them.

Greenhouse tells a select's value by the names of its options and takes their ids
(`integrations.greenhouse.custom_fields` says from where that is known).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import Any

from django.utils.formats import date_format, number_format

from portal.mirror.models import CustomField

TEXTS = ("short_text", "long_text")
SELECTS = ("single_select", "multi_select")
WRITABLE = (*TEXTS, *SELECTS, "number", "date", "yes_no")
EMPTY: tuple[Any, ...] = (None, "", [])


class NoLongerOffered(LookupError):
    """The value names an option that cannot be chosen any more, so it cannot be sent."""


@dataclass(frozen=True)
class Held:
    """A field with what the application holds in it, as Greenhouse tells it."""

    field: CustomField
    told: Any

    @property
    def writable(self) -> bool:
        return self.field.type in WRITABLE

    @property
    def words(self) -> str:
        return words(self.field.type, self.told)


def held(connection_id: int, custom: Mapping[str, Any]) -> list[Held]:
    """The fields that people may see, each with what `custom` holds for it."""
    fields = CustomField.objects.shown(connection_id)
    return [Held(field, custom.get(field.key)) for field in fields]


def sendable(field: CustomField, told: Any) -> Any:
    """What to send so that Greenhouse tells `told`. Raises NoLongerOffered."""
    if told in EMPTY or field.type not in SELECTS:
        return None if told in EMPTY else told
    ids = {name: pk for pk, name in field.options}
    names = told if isinstance(told, list) else [told]
    try:
        found = [ids[name] for name in names]
    except (KeyError, TypeError):
        raise NoLongerOffered from None
    return found if field.type == "multi_select" else found[0]


def change(field: CustomField, told: Any, was: Any) -> dict[str, Any]:
    """A change of the field, to be kept with its action; `was` may be put back if it can be."""
    about = {"label": field.name, "type": field.type}
    return {**about, **_value(field, told), "was": _value(field, was)}


def _value(field: CustomField, told: Any) -> dict[str, Any]:
    value = {"told": told, "words": words(field.type, told)}
    try:
        return {**value, "send": sendable(field, told)}
    except NoLongerOffered:
        return value


def same(one: Any, other: Any) -> bool:
    """Whether Greenhouse tells the same by both, however it writes numbers, lines and lists."""
    if one in EMPTY or other in EMPTY:
        return one in EMPTY and other in EMPTY
    if isinstance(one, list) and isinstance(other, list):
        return sorted(map(str, one)) == sorted(map(str, other))
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    numbers = _number(one), _number(other)
    if isinstance(one, (int, float)) or isinstance(other, (int, float)):
        return None not in numbers and numbers[0] == numbers[1]
    return _plain(one) == _plain(other)


def _number(value: Any) -> Decimal | None:
    try:
        return Decimal(str(value))
    except InvalidOperation:
        return None


def _plain(value: Any) -> str:
    return "\n".join(line.rstrip() for line in str(value).strip().splitlines())


def words(of_type: str, told: Any) -> str:
    """The value of a field of this type for a person; "" where it is empty."""
    if told in EMPTY:
        return ""
    if isinstance(told, bool):
        return "Yes" if told else "No"
    if isinstance(told, list):
        return ", ".join(map(str, told))
    if isinstance(told, dict):
        return _amount(told)
    if of_type == "date":
        try:
            return date_format(date.fromisoformat(str(told)[:10]), "j M Y")
        except ValueError:
            return str(told)
    return _grouped(told) if isinstance(told, (int, float)) else str(told)


def _amount(told: Mapping[str, Any]) -> str:
    """A sum or a range, with its unit: `{amount, unit}` or `{min_value, max_value, unit}`."""
    ends = [told.get(name) for name in ("amount", "value", "min_value", "max_value")]
    numbers = " to ".join(_grouped(one) for one in ends if one not in EMPTY)
    return f"{numbers} {told.get('unit') or ''}".strip()


def _grouped(value: Any) -> str:
    return number_format(value, use_l10n=True, force_grouping=_number(value) is not None)
