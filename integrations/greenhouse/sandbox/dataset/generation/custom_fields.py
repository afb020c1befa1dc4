"""Generates custom fields of applications, one per value type, and their values."""

from __future__ import annotations

from typing import Any

from integrations.greenhouse.sandbox.dataset.dataset import Dataset
from integrations.greenhouse.sandbox.dataset.records import (
    CustomField,
    CustomFieldOption,
    CustomFields,
)

_FIELD_DEFINITIONS: tuple[dict[str, Any], ...] = (
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


def generate_custom_fields(dataset: Dataset, at: str) -> None:
    """Add definitions and options; one option of each select is inactive."""
    for priority, definition in enumerate(_FIELD_DEFINITIONS):
        attributes = dict(definition)
        options = attributes.pop("options", ())
        key = str(attributes["name"]).lower().replace("'", "").replace(" ", "_")
        field = dataset.add_record(CustomField, at, name_key=key, priority=priority, **attributes)
        for number, name in enumerate((*options, "Retired") if options else ()):
            dataset.add_record(
                CustomFieldOption,
                at,
                custom_field_id=field.id,
                name=name,
                priority=number,
                active=name != "Retired",
            )


def generate_field_values(dataset: Dataset, order: int) -> CustomFields:
    """Return an application's field values; two in three have none."""
    if order % 3:
        return {}
    values_by_key: dict[str, Any] = {
        "notice_period": ("1 month", "2 weeks", "Retired")[order % 9 // 3],
        "available_from": f"2027-0{order % 9 + 1}-15",
        "right_to_work_checked": order % 2 == 0,
        "languages": ["English", "German"] if order % 2 else ["English"],
        "salary_expectation": {"amount": f"{60 + order % 40}000", "unit": "EUR"},
        "panels_concerns": "Asked for a higher level.",
    }
    return {
        field.name_key: {
            "name": field.name,
            "type": field.value_type,
            "value": values_by_key.get(field.name_key),
        }
        for field in dataset.custom_fields
        if field.field_type == "application" and field.active
    }
