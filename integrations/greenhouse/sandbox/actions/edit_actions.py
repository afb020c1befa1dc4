"""Changing an application's fields, shared by both API versions."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from integrations.greenhouse.sandbox.actions import custom_field_values
from integrations.greenhouse.sandbox.actions.events import publish_application_event
from integrations.greenhouse.sandbox.actions.refusals import (
    check_permission,
    invalid_value,
    is_known_id,
)
from integrations.greenhouse.sandbox.dataset.dataset import Dataset
from integrations.greenhouse.sandbox.dataset.records import Application, Referrer, User


def update_application(
    dataset: Dataset, row: Application, actor: User | None, body: dict[str, Any]
) -> None:
    check_permission(dataset, actor, row, "advance")
    values: dict[str, Any] = {}
    tables: dict[str, Collection[int]] = {
        "source_id": dataset.sources.rows,
        "referrer_id": dataset.referrers.rows,
        "recruiter_id": dataset.users.rows,
        "coordinator_id": dataset.users.rows,
    }
    for name, allowed_ids in tables.items():
        if name in body:
            if body[name] is not None and not is_known_id(allowed_ids, body[name]):
                raise invalid_value(name, "A record with this id does not exist.")
            values[name] = body[name]
    if isinstance(body.get("referrer"), dict):
        values["referrer_id"] = _find_or_create_referrer(dataset, body["referrer"])
    if isinstance(body.get("custom_fields"), list):
        values["custom"] = custom_field_values.apply_field_values(
            dataset, row, body["custom_fields"], make_error=invalid_value
        )
    dataset.record_activity(row, **values)
    publish_application_event(dataset, "application_updated", row)


def _find_or_create_referrer(dataset: Dataset, spec: dict[str, Any]) -> int:
    # Documented: type is id, email or outside.
    kind, value = spec.get("type"), spec.get("value")
    user: User | None = None
    if kind == "id" and isinstance(value, int):
        user = dataset.users.get(value)
    elif kind == "email":
        user = dataset.find_user_by_email(str(value))
    elif kind != "outside":
        raise invalid_value("referrer", "Must be one of: id, email, outside")
    if kind != "outside" and user is None:
        raise invalid_value("referrer", "A user with this value does not exist.")
    for row in dataset.referrers:
        if user and row.user_id == user.id:
            return row.id
    name = user.name if user else str(value)
    return dataset.add_record(Referrer, user_id=user.id if user else None, name=name).id
