"""Custom field values. Greenhouse returns a select's value as option names but accepts option IDs
(source: `integrations.greenhouse.payloads.custom_fields`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import Any

from django.utils.formats import date_format, number_format

from portal.sync.models import CustomField

TEXT_TYPES = ("short_text", "long_text")
SELECT_TYPES = ("single_select", "multi_select")
WRITABLE_TYPES = (*TEXT_TYPES, *SELECT_TYPES, "number", "date", "yes_no")
EMPTY_VALUES: tuple[Any, ...] = (None, "", [])


class OptionUnavailable(LookupError):
    """The value names an option that is no longer offered, so it cannot be sent."""


@dataclass(frozen=True)
class CustomFieldValue:
    field: CustomField
    value: Any

    @property
    def writable(self) -> bool:
        return self.field.type in WRITABLE_TYPES

    @property
    def text(self) -> str:
        return format_value(self.field.type, self.value)


def list_field_values(connection_id: int, custom: Mapping[str, Any]) -> list[CustomFieldValue]:
    fields = CustomField.objects.filter_visible(connection_id)
    return [CustomFieldValue(field, custom.get(field.key)) for field in fields]


def list_shared_names(field: CustomField) -> set[str]:
    """Names that several options have. Greenhouse's answer doesn't say which one is selected."""
    counts = Counter(name for _, name in field.options)
    return {name for name, count in counts.items() if count > 1}


def label_options(field: CustomField) -> dict[int, str]:
    shared_names = list_shared_names(field)
    return {
        pk: f"{name} (ID {pk})" if name in shared_names else str(name) for pk, name in field.options
    }


def to_api_value(field: CustomField, value: Any) -> Any:
    """Raises OptionUnavailable, also if several options have the name."""
    if value in EMPTY_VALUES or field.type not in SELECT_TYPES:
        return None if value in EMPTY_VALUES else value
    shared_names = list_shared_names(field)
    ids = {name: pk for pk, name in field.options if name not in shared_names}
    names = value if isinstance(value, list) else [value]
    try:
        option_ids = [ids[name] for name in names]
    except (KeyError, TypeError):
        raise OptionUnavailable from None
    return option_ids if field.type == "multi_select" else option_ids[0]


def build_change(
    field: CustomField, value: Any, previous_value: Any, *, option_ids: Sequence[int] = ()
) -> dict[str, Any]:
    """Serialize a change for an action's parameters, including the previous value for undo.

    `option_ids` are the selected options, as several may have the same name.
    """
    serialized = _serialize_value(field, value)
    labels = label_options(field)
    if option_ids:
        serialized.pop("send", None)
        if labels.keys() >= set(option_ids):
            serialized["send"] = list(option_ids) if field.type == "multi_select" else option_ids[0]
            serialized["text"] = ", ".join(labels[pk] for pk in option_ids)
    metadata = {"label": field.name, "type": field.type}
    return {**metadata, **serialized, "was": _serialize_value(field, previous_value)}


def get_option_ids(change: Mapping[str, Any]) -> list[int]:
    """The selected options of a serialized change."""
    if change["type"] not in SELECT_TYPES or not change.get("send"):
        return []
    option_ids: list[int] = change["send"] if isinstance(change["send"], list) else [change["send"]]
    return option_ids


def _serialize_value(field: CustomField, field_value: Any) -> dict[str, Any]:
    serialized = {"value": field_value, "text": format_value(field.type, field_value)}
    try:
        return {**serialized, "send": to_api_value(field, field_value)}
    except OptionUnavailable:
        return serialized


def are_values_equal(first: Any, second: Any) -> bool:
    """Compare two values, ignoring how Greenhouse formats numbers, line breaks and lists."""
    if first in EMPTY_VALUES or second in EMPTY_VALUES:
        return first in EMPTY_VALUES and second in EMPTY_VALUES
    if isinstance(first, list) and isinstance(second, list):
        return sorted(map(str, first)) == sorted(map(str, second))
    if isinstance(first, bool) or isinstance(second, bool):
        return first is second
    numbers = _parse_number(first), _parse_number(second)
    if isinstance(first, (int, float)) or isinstance(second, (int, float)):
        return None not in numbers and numbers[0] == numbers[1]
    return _normalize_text(first) == _normalize_text(second)


def _parse_number(value: Any) -> Decimal | None:
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        return None
    return number if number.is_finite() else None


def _normalize_text(value: Any) -> str:
    return "\n".join(line.rstrip() for line in str(value).strip().splitlines())


def format_value(field_type: str, value: Any) -> str:
    if value in EMPTY_VALUES:
        return ""
    if isinstance(value, bool):
        return "Yes" if value else "No"
    if isinstance(value, list):
        return ", ".join(map(str, value))
    if isinstance(value, dict):
        return _format_amount(value)
    if field_type == "date":
        try:
            return date_format(date.fromisoformat(str(value)[:10]), "j M Y")
        except ValueError:
            return str(value)
    return _format_number(value) if isinstance(value, (int, float)) else str(value)


def _format_amount(value: Mapping[str, Any]) -> str:
    """Currency `{amount, unit}` or range `{min_value, max_value, unit}`."""
    bounds = [value.get(name) for name in ("amount", "value", "min_value", "max_value")]
    numbers = " to ".join(_format_number(bound) for bound in bounds if bound not in EMPTY_VALUES)
    return f"{numbers} {value.get('unit') or ''}".strip()


def _format_number(value: Any) -> str:
    """Anything else that Greenhouse sent in place of a number is shown as it is."""
    number = _parse_number(value)
    if number is None:
        return str(value)
    shown = value if isinstance(value, (int, float)) else number
    return number_format(shown, use_l10n=True, force_grouping=True)
