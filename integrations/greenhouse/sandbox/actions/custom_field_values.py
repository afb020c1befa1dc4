"""Custom field values in writes."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Any

from integrations.greenhouse.sandbox.dataset.dataset import Dataset
from integrations.greenhouse.sandbox.dataset.records import Application, CustomField, CustomFields

ErrorFactory = Callable[[str, str], Exception]
_PYTHON_TYPES: dict[str, type | tuple[type, ...]] = {
    "short_text": str,
    "long_text": str,
    "yes_no": bool,
    "number": (int, float),
}


def apply_field_values(
    dataset: Dataset, row: Application, items: list[Any], *, make_error: ErrorFactory
) -> CustomFields:
    """Return the application's custom fields with these values applied.

    Items are ``{id | custom_field_id | name_key, value}`` or ``{…, delete_value: "true"}``
    (documented for v1's candidates). The errors for bad ones are inferred.
    """
    fields = dict(row.custom)
    for item in items:
        if not isinstance(item, dict):
            raise make_error("custom_fields", "Must be a list of objects.")
        field = _find_field(dataset, item)
        if field is None:
            raise make_error("custom_fields", "A custom field with this key does not exist.")
        is_deletion = str(item.get("delete_value", "")).lower() == "true"
        value = None if is_deletion else _to_stored_value(dataset, field, item.get("value"))
        if value is None and not is_deletion and item.get("value") is not None:
            raise make_error("custom_fields", f"{field.name} is invalid")
        fields[field.name_key] = {"name": field.name, "type": field.value_type, "value": value}
    return fields


def _find_field(dataset: Dataset, item: dict[str, Any]) -> CustomField | None:
    number = item.get("custom_field_id", item.get("id"))
    for field in dataset.custom_fields:
        if field.field_type != "application" or not field.active:
            continue
        if field.id == number or field.name_key == item.get("name_key"):
            return field
    return None


def _to_stored_value(dataset: Dataset, field: CustomField, value: Any) -> Any:
    # None if the value does not fit the field's type.
    if field.value_type in ("single_select", "multi_select"):
        names = {option.id: option.name for option in dataset.list_field_options(field.id)}
        chosen = value if isinstance(value, list) else [value]
        if not all(isinstance(option_id, int) and option_id in names for option_id in chosen):
            return None
        return (
            [names[option_id] for option_id in chosen]
            if field.value_type[0] == "m"
            else names[chosen[0]]
        )
    if field.value_type == "date":
        return value if _is_day(value) else None
    python_type = _PYTHON_TYPES.get(field.value_type)
    fits = python_type is not None and isinstance(value, python_type)
    is_bool_number = field.value_type == "number" and isinstance(value, bool)
    return value if fits and not is_bool_number else None


def _is_day(value: Any) -> bool:
    try:
        return isinstance(value, str) and bool(date.fromisoformat(value))
    except ValueError:
        return False
