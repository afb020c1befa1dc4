"""An UPDATE and an INSERT that stand or fall together: on PostgreSQL one statement, without a
transaction around it.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

from django.db import connection, connections, models, transaction
from django.db.models.sql import UpdateQuery

from portal.core.tenancy.managers import OrganizationModel, refuse_other_owner


def update_and_insert(
    rows: models.QuerySet[Any], values: dict[str, Any], new_row: models.Model
) -> bool:
    """Insert `new_row`, without setting its key, if a row was updated, and return whether."""
    if connection.vendor == "postgresql":
        update_sql, params = _compile_update(rows, values)
        model = type(new_row)
        statement = (
            f"WITH updated AS ({update_sql} RETURNING 1)"  # noqa: S608  # Django's own SQL
            f" {_build_insert_sql(model)} SELECT {_build_placeholders(model)} FROM updated"
        )
        with transaction.mark_for_rollback_on_error(), connection.cursor() as cursor:
            cursor.execute(statement, [*params, *_prepare_values(new_row)])
            return bool(cursor.rowcount)
    with transaction.atomic(savepoint=False):
        is_updated = bool(rows.update(**values))
        if is_updated:
            new_row.save(force_insert=True)
    return is_updated


def insert_and_update(
    new_rows: Sequence[models.Model], rows: models.QuerySet[Any], values: dict[str, Any]
) -> None:
    """Insert the rows, setting their keys, and update. Call within a transaction."""
    model = type(new_rows[0])
    _refuse_other_owners(new_rows)
    if connection.vendor != "postgresql":
        queryset: Any = models.QuerySet(model)  # not a manager, which may forbid it
        queryset.bulk_create(new_rows)
        rows.update(**values)
        return
    update_sql, params = _compile_update(rows, values)
    insert_sql, values_of_rows = build_insert(new_rows)
    statement = f"WITH updated AS ({update_sql}) {insert_sql} RETURNING {model._meta.pk.column}"
    with transaction.mark_for_rollback_on_error(), connection.cursor() as cursor:
        cursor.execute(statement, [*params, *values_of_rows])
        for row, (key,) in zip(new_rows, cursor.fetchall(), strict=True):
            row.pk, row._state.adding = key, False


def _compile_update(rows: models.QuerySet[Any], values: dict[str, Any]) -> tuple[str, Any]:
    query: Any = rows.query.chain(UpdateQuery)
    query.add_update_values(values)
    statement: tuple[str, Any] = query.get_compiler(rows.db).as_sql()
    return statement


def insert_row(row: models.Model) -> None:
    """As `save(force_insert=True)`, for a row without values that the database chooses."""
    if connection.vendor != "postgresql":
        row.save(force_insert=True)
        return
    _refuse_other_owners([row])
    statement, values = build_insert([row])
    with transaction.mark_for_rollback_on_error(), connection.cursor() as cursor:
        cursor.execute(f"{statement} RETURNING {row._meta.pk.column}", values)
        row.pk, row._state.adding = cursor.fetchone()[0], False


def insert_rows(rows: Sequence[models.Model], *, ignore_conflicts: bool = False) -> int:
    """As `bulk_create`, without setting keys, which takes longer to build its statement than the
    rows take to write. Return how many were inserted.
    """
    if not rows:
        return 0
    _refuse_other_owners(rows)
    statement, values = build_insert(rows)
    if ignore_conflicts:
        statement += " ON CONFLICT DO NOTHING"
    with transaction.mark_for_rollback_on_error(), connection.cursor() as cursor:
        cursor.execute(statement, values)
        return int(cursor.rowcount)


def _refuse_other_owners(rows: Sequence[models.Model]) -> None:
    for row in rows:
        if isinstance(row, OrganizationModel):
            refuse_other_owner(row)


def build_insert(rows: Sequence[models.Model]) -> tuple[str, list[Any]]:
    """Return the statement and its values, of rows without keys."""
    model = type(rows[0])
    placeholders = ", ".join([f"({_build_placeholders(model)})"] * len(rows))
    values = [value for row in rows for value in _prepare_values(row)]
    return f"{_build_insert_sql(model)} VALUES {placeholders}", values


@cache
def _build_insert_sql(model: type[models.Model]) -> str:
    """Return the statement up to its columns."""
    columns = ", ".join(f'"{field.column}"' for field in _list_fields(model))
    return f'INSERT INTO "{model._meta.db_table}" ({columns})'


@cache
def _build_placeholders(model: type[models.Model]) -> str:
    return ", ".join(["%s"] * len(_list_fields(model)))


def _prepare_values(row: models.Model) -> list[Any]:
    database = connections["default"]  # each field asks the proxy several times
    return [
        field.get_db_prep_save(field.pre_save(row, True), database)
        for field in _list_fields(type(row))
    ]


@cache
def _list_fields(model: type[models.Model]) -> list[Any]:
    """All but the key, which the database gives."""
    return [field for field in model._meta.concrete_fields if not field.primary_key]
