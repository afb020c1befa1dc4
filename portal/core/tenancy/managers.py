"""The default manager of customers' models: only the active organization's rows.

The condition is on a column of the model's own table. A join would turn an UPDATE into one with a
subquery, and a compare-and-swap would no longer see what another process just changed. It is SQL
of our own, because Django takes 0.3 ms to compile such a subquery.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import Any, TypeVar

from django.db import connection, models
from django.db.models.expressions import Col, RawSQL
from django.db.models.lookups import Exact, In, Lookup
from django.db.models.sql.where import AND

from portal.core.tenancy.scope import OtherOrganization, Scope, get_scope

M = TypeVar("M", bound=models.Model)

# Foreign keys that lead to the organization, the most direct first.
_OWNER_FIELDS = (
    *("organization", "connection", "membership", "job"),
    *("run", "user", "step", "single_sign_on", "subscription"),
)


class OrganizationManager(models.Manager[M]):
    def get_queryset(self) -> models.QuerySet[M]:
        queryset = super().get_queryset()
        scope = get_scope()
        if scope is not None and scope.organization_id is not None:
            condition = _build_condition(self.model, scope, scope.organization_id)
            queryset.query.get_initial_alias()
            queryset.query.where.add(condition, AND)
        return queryset

    def bulk_create(self, objs: Iterable[M], *args: Any, **options: Any) -> list[M]:
        rows = list(objs)
        for row in rows:
            refuse_other_owner(row)
        return super().bulk_create(rows, *args, **options)


class OrganizationModel(models.Model):
    """A model whose rows belong to one organization, directly or through a foreign key."""

    objects = OrganizationManager()

    class Meta:
        abstract = True

    def save(self, *args: Any, **options: Any) -> None:
        refuse_other_owner(self)
        super().save(*args, **options)


# Not in Meta, which models inherit and migrations would repeat.
OrganizationModel._meta.base_manager_name = "objects"


def refuse_other_owner(row: models.Model) -> None:
    """Raises OtherOrganization if the active organization would write another's row."""
    scope = get_scope()
    if scope is None or scope.organization_id is None:
        return
    field = find_owner_field(type(row))
    owner = getattr(field.remote_field, "model", type(row))
    expected_id = (
        scope.organization_id if field.name == "organization" else scope.owner_ids.get(owner)
    )
    owner_id = getattr(row, field.attname)
    if expected_id is not None and owner_id not in {None, expected_id}:
        raise OtherOrganization(f"{row._meta.label} of {field.name} {owner_id}")


def remember_owner(row: Any) -> None:
    """Compare with this row's ID from now on, without a subquery."""
    scope = get_scope()
    if scope is not None and scope.organization_id == row.__dict__.get("organization_id", 0):
        scope.owner_ids[type(row)] = row.pk


def _build_condition(model: Any, scope: Scope, organization_id: int) -> Lookup[Any]:
    owner_field = find_owner_field(model)
    column = Col(model._meta.db_table, owner_field)
    owner = getattr(owner_field.remote_field, "model", model)
    if owner in scope.owner_ids:
        return Exact(column, scope.owner_ids[owner])
    if owner is model or find_owner_field(owner).primary_key:  # the organization's own ID
        return Exact(column, organization_id)
    # PostgreSQL may read all of the owner's rows for it: queries for many begin with the owner.
    known_owner, pk = _find_known_owner(owner, scope) or (None, organization_id)
    return In(column, RawSQL(_build_owner_sql(owner, known_owner), (pk,)))  # noqa: S611


def _find_known_owner(model: Any, scope: Scope) -> tuple[Any, int] | None:
    """Find the nearest owner of the model whose ID is known, for a subquery that ends there.

    With the ID itself PostgreSQL estimates how many rows that owner has; from another subquery it
    would assume an average customer's.
    """
    while not (field := find_owner_field(model)).primary_key:
        model = field.remote_field.model
        if model in scope.owner_ids:
            return model, scope.owner_ids[model]
    return None


@cache
def _build_owner_sql(model: Any, known_owner: Any) -> str:
    """Select the IDs of an organization's rows, from the known owner's ID or the organization's."""
    quote = connection.ops.quote_name
    owner_field = find_owner_field(model)
    table, pk, column = (
        quote(name) for name in (model._meta.db_table, model._meta.pk.column, owner_field.column)
    )
    owner = owner_field.remote_field.model
    is_last = owner is known_owner or find_owner_field(owner).primary_key
    wanted = "= %s" if is_last else f"IN ({_build_owner_sql(owner, known_owner)})"
    return f"SELECT {pk} FROM {table} WHERE {column} {wanted}"  # noqa: S608  (names of our tables)


@cache
def find_owner_field(model: Any) -> Any:
    """Find the field by which a row belongs to an organization; its own is the primary key."""
    fields = {field.name: field for field in model._meta.concrete_fields if field.is_relation}
    return next((fields[name] for name in _OWNER_FIELDS if name in fields), model._meta.pk)
