"""Custom fields of applications: decoding definitions and encoding values."""

# Sources: Harvest v1 documentation ("Custom Fields", "Edit Candidate"), v3 OpenAPI document.
# Select values are read as option names but written as option ids (v1: by an example; v3:
# inferred from `default_value`). v1 clears a value with `delete_value` (documented for
# candidates); sending null as well for v3 is inferred.

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import msgspec

from integrations.ats.record_ids import RecordId
from integrations.ats.types import ApplicationChanges, CustomField, CustomFieldOption
from integrations.greenhouse.payloads.decoding import (
    RawText,
    make_reader,
    to_order,
    to_stripped_text,
    to_text,
)

SELECT_TYPES = ("single_select", "multi_select")


class _Option(msgspec.Struct):
    id: RecordId
    name: RawText = None
    priority: int | None = None
    sort_order: int | None = None
    custom_field_id: RecordId | None = None
    active: bool | None = None


class FieldOption(msgspec.Struct, frozen=True):
    """A select option with its field and position, as v3 lists options separately."""

    field_id: RecordId | None
    order: int
    active: bool
    option: CustomFieldOption


def _convert_option(wire: _Option) -> FieldOption:
    return FieldOption(
        field_id=wire.custom_field_id,
        order=to_order(wire.sort_order or wire.priority),
        active=wire.active is not False,
        option=CustomFieldOption(id=wire.id, name=to_text(wire.name)),
    )


class _Field(msgspec.Struct):
    id: RecordId
    name_key: str
    name: RawText = None
    field_type: RawText = None
    value_type: RawText = None
    description: RawText = None
    priority: int | None = None
    sort_order: int | None = None
    required: bool | None = None
    private: bool | None = None
    active: bool | None = None
    application_type: RawText = None  # v3
    custom_field_options: list[_Option | None] | None = None  # v1


def _convert_field(wire: _Field) -> CustomField:
    return CustomField(
        id=wire.id,
        belongs_to=to_text(wire.field_type),
        key=to_text(wire.name_key),
        name=to_stripped_text(wire.name) or to_text(wire.name_key),
        type=to_text(wire.value_type),
        description=to_text(wire.description).strip(),
        order=to_order(wire.sort_order or wire.priority),
        required=wire.required is True,
        private=wire.private is not False,  # deny by default
        active=wire.active is not False and wire.application_type != "prospect_applications",
        options=_sort_active_options(
            _convert_option(option) for option in wire.custom_field_options or () if option
        ),
    )


def _sort_active_options(options: Iterable[FieldOption]) -> tuple[CustomFieldOption, ...]:
    active = (option for option in options if option.active)
    return tuple(option.option for option in sorted(active, key=lambda option: option.order))


# The fields of v3, which v1 cannot be asked for.
read_field = make_reader(
    _Field,
    _convert_field,
    fields=(
        *("id", "name_key", "name", "field_type", "value_type", "description", "sort_order"),
        *("required", "private", "active", "application_type"),
    ),
)
read_option = make_reader(
    _Option, _convert_option, fields=("id", "name", "sort_order", "custom_field_id", "active")
)


def is_application_field(field: CustomField) -> bool:
    """Re-check the `field_type` filter, which Greenhouse may ignore."""
    return field.belongs_to == "application"


def attach_options(
    fields: Sequence[CustomField], load_options: Callable[[Sequence[int]], Iterable[FieldOption]]
) -> tuple[CustomField, ...]:
    """Return the fields with their options, loaded by the ids of the select fields."""
    select_ids = [field.id for field in fields if field.type in SELECT_TYPES]
    options = list(load_options(select_ids))
    return tuple(
        msgspec.structs.replace(
            field,
            options=_sort_active_options(
                option for option in options if option.field_id == field.id
            ),
        )
        for field in fields
    )


def leave_out_selects(fields: Sequence[CustomField]) -> tuple[CustomField, ...]:
    return tuple(field for field in fields if field.type not in SELECT_TYPES)


def build_changes_body(changes: ApplicationChanges) -> dict[str, Any]:
    """The PATCH body for these changes, the same in v1 and v3."""
    body: dict[str, Any] = {
        name: value
        for name in ("source_id", "recruiter_id", "coordinator_id")
        if (value := getattr(changes, name)) is not None
    }
    if changes.custom_fields:
        body["custom_fields"] = [
            _build_field_value(key, value) for key, value in changes.custom_fields.items()
        ]
    return body


def _build_field_value(key: str, value: Any) -> dict[str, Any]:
    if value is None or value == []:
        return {"name_key": key, "value": None, "delete_value": "true"}
    return {"name_key": key, "value": value}
