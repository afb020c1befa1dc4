"""Values of custom fields, as a write gives them and as they are kept."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Any

from .records import Application, CustomField, CustomFields
from .world import World

Refuse = Callable[[str, str], Exception]
_OF_TYPE: dict[str, type | tuple[type, ...]] = {
    "short_text": str,
    "long_text": str,
    "yes_no": bool,
    "number": (int, float),
}


def changed(world: World, row: Application, given: list[Any], *, refuse: Refuse) -> CustomFields:
    """Give the fields of an application with these values put in.

    Each is ``{id | custom_field_id | name_key, value}`` or ``{…, delete_value: "true"}``
    (documented for v1's candidates). What a wrong one gets is inferred.
    """
    fields = dict(row.custom)
    for one in given:
        if not isinstance(one, dict):
            raise refuse("custom_fields", "Must be a list of objects.")
        field = _named(world, one)
        if field is None:
            raise refuse("custom_fields", "A custom field with this key does not exist.")
        empties = str(one.get("delete_value", "")).lower() == "true"
        value = None if empties else _kept(world, field, one.get("value"))
        if value is None and not empties and one.get("value") is not None:
            raise refuse("custom_fields", f"{field.name} is invalid")
        fields[field.name_key] = {"name": field.name, "type": field.value_type, "value": value}
    return fields


def _named(world: World, one: dict[str, Any]) -> CustomField | None:
    number = one.get("custom_field_id", one.get("id"))
    for field in world.custom_fields:
        if field.field_type != "application" or not field.active:
            continue
        if field.id == number or field.name_key == one.get("name_key"):
            return field
    return None


def _kept(world: World, field: CustomField, value: Any) -> Any:
    """What is kept of a value; None where it does not fit the field's type."""
    if field.value_type in ("single_select", "multi_select"):
        names = {option.id: option.name for option in world.options_of(field.id)}
        chosen = value if isinstance(value, list) else [value]
        if not all(isinstance(one, int) and one in names for one in chosen):
            return None
        return [names[one] for one in chosen] if field.value_type[0] == "m" else names[chosen[0]]
    if field.value_type == "date":
        return value if _is_day(value) else None
    wanted = _OF_TYPE.get(field.value_type)
    fits = wanted is not None and isinstance(value, wanted)
    odd = field.value_type == "number" and isinstance(value, bool)
    return value if fits and not odd else None


def _is_day(value: Any) -> bool:
    try:
        return isinstance(value, str) and bool(date.fromisoformat(value))
    except ValueError:
        return False
