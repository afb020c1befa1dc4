"""Custom fields of applications, one of each type that is met, and what they hold."""

from __future__ import annotations

from typing import Any

from .records import CustomField, CustomFieldOption, CustomFields
from .world import World

_FIELDS: tuple[dict[str, Any], ...] = (
    {
        "name": "Notice period",
        "value_type": "single_select",
        "required": True,
        "options": ("None", "2 weeks", "1 month", "3 months"),
    },
    {"name": "Available from", "value_type": "date"},
    {"name": "Right to work checked", "value_type": "yes_no"},
    {"name": "Years in the field", "value_type": "number"},
    {
        "name": "Languages",
        "value_type": "multi_select",
        "description": "Those spoken well enough for a call.",
        "options": ("English", "French", "German", "Spanish"),
    },
    {"name": "Agency reference", "value_type": "short_text"},
    {"name": "Screening notes", "value_type": "long_text"},
    {"name": "Salary expectation", "value_type": "currency"},
    {"name": "Panel's concerns", "value_type": "short_text", "private": True},
    {"name": "Fax number", "value_type": "short_text", "active": False},
    {"name": "Desired Salary", "value_type": "short_text", "field_type": "candidate"},
)


def build_custom(world: World, at: str) -> None:
    """Add the definitions and their options; one option of each is no longer offered."""
    for place, told in enumerate(_FIELDS):
        given = dict(told)
        options = given.pop("options", ())
        key = str(given["name"]).lower().replace("'", "").replace(" ", "_")
        field = world.add(CustomField, at, name_key=key, priority=place, **given)
        for number, name in enumerate((*options, "Retired") if options else ()):
            world.add(
                CustomFieldOption,
                at,
                custom_field_id=field.id,
                name=name,
                priority=number,
                active=name != "Retired",
            )


def values(world: World, order: int) -> CustomFields:
    """Give what the fields of an application hold; of two in three they hold nothing."""
    if order % 3:
        return {}
    held: dict[str, Any] = {
        "notice_period": ("1 month", "2 weeks", "Retired")[order % 9 // 3],
        "available_from": f"2027-0{order % 9 + 1}-15",
        "right_to_work_checked": order % 2 == 0,
        "languages": ["English", "German"] if order % 2 else ["English"],
        "salary_expectation": {"amount": f"{60 + order % 40}000", "unit": "EUR"},
        "panels_concerns": "Asked for a higher level.",
    }
    return {
        field.name_key: {
            "name": field.name, "type": field.value_type, "value": held.get(field.name_key),
        }
        for field in world.custom_fields
        if field.field_type == "application" and field.active
    }  # fmt: skip
