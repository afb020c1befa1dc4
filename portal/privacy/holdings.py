"""Which rows belong to a person or to an organization, found by their foreign keys.

So a new model is taken along and erased without being named anywhere: a row that would be deleted
with its person (CASCADE) is the person's; one that only points at them is not.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from django.apps import apps
from django.db import models
from django.db.models import Q, QuerySet

from portal.accounts.models import Membership, Organization, User
from portal.core.secrets import SecretField

Model = type[models.Model]
# Opens something, or is worthless outside: it leaves with nobody.
_NEVER = {"password", "session_key", "session_data", "digest", "erased_digest", "seal", "data",
          "token", "secret"}  # fmt: skip


def theirs(person: User) -> Iterator[QuerySet[Any]]:
    """The person's own rows, model by model, without the person's."""
    for model in apps.get_models():
        fields = _keys_to(model, (User, Membership), owned=True)
        if fields and model not in (User, Membership):
            yield model._base_manager.filter(_any(fields, person)).order_by("pk")


def of_place(membership: Membership) -> Iterator[QuerySet[Any]]:
    """What hangs on somebody's place in an organization, model by model."""
    for model in apps.get_models():
        for field in _keys_to(model, (Membership,), owned=True):
            yield model._base_manager.filter(**{field.name: membership}).order_by("pk")


def pointing(person: User) -> Iterator[QuerySet[Any]]:
    """Rows of others that name the person: who asked, who entered, who did."""
    for model in apps.get_models():
        fields = _keys_to(model, (User, Membership), owned=False)
        if fields:
            yield model._base_manager.filter(_any(fields, person)).order_by("pk")


def of_organization(organization: Organization) -> list[QuerySet[Any]]:
    """Everything that would go with the organization, what hangs on other rows first."""
    paths: dict[Model, str] = {Organization: ""}
    ranks: list[Model] = [Organization]
    for parent in ranks:  # it grows while it is walked
        for model in apps.get_models(include_auto_created=True):
            for field in _keys_to(model, (parent,), owned=True):
                if model not in paths:
                    paths[model] = f"{field.name}__{paths[parent]}".removesuffix("__")
                    ranks.append(model)
    return [
        model._base_manager.filter(**{paths[model]: organization}).order_by("pk")
        for model in reversed(ranks[1:])
    ]


def plain(row: models.Model) -> dict[str, Any]:
    """A row for JSON, without what opens anything."""
    return {
        field.attname: getattr(row, field.attname)
        for field in row._meta.concrete_fields
        if not isinstance(field, (SecretField, models.BinaryField)) and field.name not in _NEVER
    }


def outline(row: models.Model) -> dict[str, Any]:
    """That a row is there and when; its content is another's."""
    return {
        field.attname: getattr(row, field.attname)
        for field in row._meta.concrete_fields
        if field.primary_key or isinstance(getattr(row, field.attname), datetime)
    }


def _keys_to(
    model: Model, targets: tuple[Model, ...], *, owned: bool
) -> list[models.ForeignKey[Any, Any]]:
    return [
        field
        for field in model._meta.concrete_fields
        if isinstance(field, models.ForeignKey)
        and field.related_model in targets
        and (field.remote_field.on_delete is models.CASCADE) == owned
    ]


def _any(fields: list[models.ForeignKey[Any, Any]], person: User) -> Q:
    chosen = Q()
    for field in fields:
        to = "" if field.related_model is User else "__user"
        chosen |= Q(**{f"{field.name}{to}": person})
    return chosen
