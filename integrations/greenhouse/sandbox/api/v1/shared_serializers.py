"""What several Harvest v1 serializers use."""

from __future__ import annotations

from typing import Any

from integrations.greenhouse.sandbox.dataset.dataset import Dataset
from integrations.greenhouse.sandbox.dataset.records import CustomFields

JsonObject = dict[str, Any]


def flatten_custom_fields(fields: CustomFields) -> JsonObject:
    return {key: field["value"] for key, field in fields.items()}


def build_keyed_custom_fields(fields: CustomFields) -> JsonObject:
    """A field without a value is null (documented for candidates, inferred for the others)."""
    return {key: field if field["value"] is not None else None for key, field in fields.items()}


def serialize_user_reference(dataset: Dataset, user_id: int | None) -> JsonObject | None:
    user = dataset.users.get(user_id)
    if user is None:
        return None
    return {
        "id": user.id,
        "first_name": user.first_name,
        "last_name": user.last_name,
        "name": user.name,
        "employee_id": user.employee_id,
    }
