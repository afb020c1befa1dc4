"""Finds the rows of a person or an organization by foreign keys, so new models are included."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from django.apps import apps
from django.db import models
from django.db.models import Q, QuerySet

from portal.accounts.models import Membership, Organization, User
from portal.core.secrets.secret_field import SecretField

Model = type[models.Model]
# Never exported: secrets, and values that are meaningless elsewhere.
_EXCLUDED_FIELDS = {
    "password", "session_key", "session_data", "digest", "erased_digest", "seal", "data", "token",
    "secret",
}  # fmt: skip


def iterate_owned_rows(person: User) -> Iterator[QuerySet[Any]]:
    """Yield rows that CASCADE with the person, per model, except the user and memberships."""
    for model in apps.get_models():
        fields = _find_foreign_keys(model, (User, Membership), owned=True)
        if fields and model not in (User, Membership):
            yield model._base_manager.filter(_build_person_filter(fields, person)).order_by("pk")


def iterate_membership_rows(membership: Membership) -> Iterator[QuerySet[Any]]:
    for model in apps.get_models():
        for field in _find_foreign_keys(model, (Membership,), owned=True):
            yield model._base_manager.filter(**{field.name: membership}).order_by("pk")


def iterate_referencing_rows(person: User) -> Iterator[QuerySet[Any]]:
    """Yield rows of others that mention the person, per model."""
    for model in apps.get_models():
        fields = _find_foreign_keys(model, (User, Membership), owned=False)
        if fields:
            yield model._base_manager.filter(_build_person_filter(fields, person)).order_by("pk")


def list_organization_rows(organization: Organization) -> list[QuerySet[Any]]:
    """Return all rows of the organization per model, dependent rows first."""
    paths: dict[Model, str] = {Organization: ""}
    discovered: list[Model] = [Organization]
    for parent in discovered:  # grows while iterating
        for model in apps.get_models(include_auto_created=True):
            for field in _find_foreign_keys(model, (parent,), owned=True):
                if model not in paths:
                    paths[model] = f"{field.name}__{paths[parent]}".removesuffix("__")
                    discovered.append(model)
    return [
        model._base_manager.filter(**{paths[model]: organization}).order_by("pk")
        for model in reversed(discovered[1:])
    ]


def serialize_row(row: models.Model) -> dict[str, Any]:
    return {
        field.attname: getattr(row, field.attname)
        for field in row._meta.concrete_fields
        if not isinstance(field, (SecretField, models.BinaryField))
        and field.name not in _EXCLUDED_FIELDS
    }


def serialize_outline(row: models.Model) -> dict[str, Any]:
    """Return only keys and times: the content belongs to somebody else."""
    return {
        field.attname: getattr(row, field.attname)
        for field in row._meta.concrete_fields
        if field.primary_key or isinstance(getattr(row, field.attname), datetime)
    }


def _find_foreign_keys(
    model: Model, targets: tuple[Model, ...], *, owned: bool
) -> list[models.ForeignKey[Any, Any]]:
    return [
        field
        for field in model._meta.concrete_fields
        if isinstance(field, models.ForeignKey)
        and field.related_model in targets
        and (field.remote_field.on_delete is models.CASCADE) == owned
    ]


def _build_person_filter(fields: list[models.ForeignKey[Any, Any]], person: User) -> Q:
    person_filter = Q()
    for field in fields:
        suffix = "" if field.related_model is User else "__user"
        person_filter |= Q(**{f"{field.name}{suffix}": person})
    return person_filter
