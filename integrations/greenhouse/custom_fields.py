"""The fields that a customer added to applications: their definitions, and how a value is sent.

Sources: Harvest v1's documentation ("Custom Fields", "Edit Candidate"), v3's OpenAPI document
(`custom_fields`, `custom_field_options`). Both generations read a select's value as the name of the
option and take its id (v1 by an example; v3 inferred from `default_value`). A value is emptied by
`delete_value` in v1 (documented for candidates); v3 is sent null beside it, which is inferred.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import msgspec

from integrations.ats.types import ApplicationChanges, CustomField, CustomFieldOption
from integrations.greenhouse.reading import Text, reader, text, words

SELECTS = ("single_select", "multi_select")


class _Option(msgspec.Struct):
    id: int
    name: Text = None
    priority: int | None = None
    sort_order: int | None = None
    custom_field_id: int | None = None
    active: bool | None = None


class Option(msgspec.Struct, frozen=True):
    """An option with the field whose it is (v3 lists them by themselves) and its place there."""

    field_id: int | None
    order: int
    active: bool
    option: CustomFieldOption


def _option(wire: _Option) -> Option:
    return Option(
        field_id=wire.custom_field_id,
        order=wire.sort_order or wire.priority or 0,
        active=wire.active is not False,
        option=CustomFieldOption(id=wire.id, name=text(wire.name)),
    )


class _Field(msgspec.Struct):
    id: int
    name_key: str
    name: Text = None
    field_type: Text = None
    value_type: Text = None
    description: Text = None
    priority: int | None = None
    sort_order: int | None = None
    required: bool | None = None
    private: bool | None = None
    active: bool | None = None
    application_type: Text = None  # v3: which applications have it
    custom_field_options: list[_Option | None] | None = None  # v1


def _field(wire: _Field) -> CustomField:
    return CustomField(
        id=wire.id,
        belongs_to=text(wire.field_type),
        key=text(wire.name_key),
        name=words(wire.name) or text(wire.name_key),
        type=text(wire.value_type),
        description=text(wire.description).strip(),
        order=wire.sort_order or wire.priority or 0,
        required=wire.required is True,
        private=wire.private is not False,  # deny by default
        active=wire.active is not False and wire.application_type != "prospect_applications",
        options=_in_order(_option(one) for one in wire.custom_field_options or () if one),
    )


def _in_order(options: Iterable[Option]) -> tuple[CustomFieldOption, ...]:
    active = (one for one in options if one.active)
    return tuple(one.option for one in sorted(active, key=lambda one: one.order))


read_field = reader(_Field, _field)
read_option = reader(_Option, _option)


def of_application(field: CustomField) -> bool:
    """Checked here too: a parameter that Greenhouse ignores would answer every field."""
    return field.belongs_to == "application"


def with_options(
    fields: Sequence[CustomField], read: Callable[[Sequence[int]], Iterable[Option]]
) -> tuple[CustomField, ...]:
    """The same fields with the options that `read` gives for those of them that are selects."""
    selects = [field.id for field in fields if field.type in SELECTS]
    options = list(read(selects))
    return tuple(
        msgspec.structs.replace(
            field, options=_in_order(one for one in options if one.field_id == field.id)
        )
        for field in fields
    )


def changed(changes: ApplicationChanges) -> dict[str, Any]:
    """The body of the PATCH that makes these changes, the same in both generations."""
    body: dict[str, Any] = {
        name: value
        for name in ("source_id", "recruiter_id", "coordinator_id")
        if (value := getattr(changes, name)) is not None
    }
    if changes.custom_fields:
        body["custom_fields"] = [_sent(key, value) for key, value in changes.custom_fields.items()]
    return body


def _sent(key: str, value: Any) -> dict[str, Any]:
    emptied = {"delete_value": "true"} if value is None or value == [] else {}
    return {"name_key": key, "value": None if emptied else value, **emptied}
