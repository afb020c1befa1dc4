"""Which migrations the previous release could not live with. It still reads and writes the tables
of the released migrations; what is newer, it does not know.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from django.db import models
from django.db.backends.postgresql.base import DatabaseWrapper
from django.db.migrations import Migration, operations
from django.db.migrations.state import ModelState, ProjectState
from django.db.models.fields import NOT_PROVIDED

# Constraints that the previous release's code obeys already: name -> since which release.
OBEYED_CONSTRAINTS: dict[str, str] = {}
# Functions and SQL that somebody has read: (app, migration) -> why it locks and breaks nothing.
REVIEWED_CODE: dict[tuple[str, str], str] = {}

_READ_BY_OLD_CODE = "old code still reads it: release code that does not, then remove it"
_IN_BATCHES = "its queries cannot be checked; change rows in batches, in a task or a command"
_TABLE = r"(?:TABLE|INTO|UPDATE|FROM)\s+(?:IF EXISTS\s+)?(?:ONLY\s+)?(?:\"?\w+\"?\.)?\"?(\w+)\"?"
_DROPPED_COLUMN = re.compile(r"\bDROP\s+COLUMN\s+(?:IF\s+EXISTS\s+)?\"?(\w+)", re.IGNORECASE)
_BREAKING_SQL = re.compile(
    r"\bDROP\s+TABLE\b|\bTRUNCATE\b|\bRENAME\b|\bSET\s+NOT\s+NULL\b|\bDROP\s+DEFAULT\b"
    r"|\bALTER\s+(?:COLUMN\s+)?\S+\s+(?:SET\s+DATA\s+)?TYPE\b",
    re.IGNORECASE,
)
_POSTGRES = DatabaseWrapper({"OPTIONS": {}}, "types")  # never connects


class ReleasedSchema:
    """What the previous release knows."""

    def __init__(self, state: ProjectState) -> None:
        self._models = state.models

    def find_model(self, app: str, name: str) -> ModelState | None:
        return self._models.get((app, name.lower()))

    def find_field(self, app: str, model: str, name: str) -> models.Field[Any, Any] | None:
        state = self.find_model(app, model)
        return state.fields.get(name) if state else None

    def list_columns(self, table: str) -> set[str] | None:
        """None for a table that it does not know."""
        for (app, name), state in self._models.items():
            if state.options.get("db_table", f"{app}_{name}") == table:
                return {_name_column(key, field) for key, field in state.fields.items()}
            if any(table == f"{app}_{name}_{key}" for key in state.fields):  # many to many
                return set()
        return None


def _name_column(name: str, field: models.Field[Any, Any]) -> str:
    is_key = isinstance(field, models.ForeignKey)
    return str(field.db_column or (f"{name}_id" if is_key else name))


def list_breakages(migration: Migration, released: ReleasedSchema) -> list[str]:
    label = (migration.app_label, migration.name)
    return [
        f"{'.'.join(label)}: {operation.describe()}: {reason}"
        for operation in _flatten(migration.operations)
        if (reason := explain_breakage(migration.app_label, operation, released))
        and not (label in REVIEWED_CODE and _is_code(operation))
    ]


def _flatten(listed: list[Any]) -> Iterator[Any]:
    for operation in listed:
        if isinstance(operation, operations.SeparateDatabaseAndState):
            yield from _flatten(operation.database_operations)
        else:
            yield operation


def _is_code(operation: Any) -> bool:
    return isinstance(operation, operations.RunPython | operations.RunSQL)


def explain_breakage(app: str, operation: Any, released: ReleasedSchema) -> str:
    """Return why the previous release would break on this operation, or an empty string."""
    if isinstance(operation, operations.RunPython):
        return _IN_BATCHES
    if isinstance(operation, operations.RunSQL):
        return _explain_sql(str(operation.sql), released)
    name = getattr(operation, "model_name", "") or getattr(operation, "name", "")
    if isinstance(operation, operations.RenameModel):
        name = operation.old_name
    if released.find_model(app, str(name)) is None:
        return ""
    return _explain_change(app, operation, released)


def _explain_change(app: str, operation: Any, released: ReleasedSchema) -> str:
    match operation:
        case operations.DeleteModel() | operations.RenameModel() | operations.AlterModelTable():
            return _READ_BY_OLD_CODE
        case operations.RemoveField() | operations.RenameField():
            name = getattr(operation, "old_name", "") or operation.name
            return _READ_BY_OLD_CODE if released.find_field(app, operation.model_name, name) else ""
        case operations.AddField() if not _can_be_omitted(operation.field):
            return "old code omits it on insert: make it nullable or give it a db_default"
        case operations.AlterField():
            old = released.find_field(app, operation.model_name, operation.name)
            return _explain_alteration(old, operation.field) if old else ""
        case operations.AddConstraint() if operation.constraint.name not in OBEYED_CONSTRAINTS:
            return _explain_constraint(operation.constraint.name)
        case operations.AlterUniqueTogether() if operation.option_value:
            return _explain_constraint("unique_together")
    return ""


def _explain_constraint(name: str) -> str:
    return f"old code may write rows that {name} refuses: release code that obeys it first"


def _can_be_omitted(field: models.Field[Any, Any]) -> bool:
    return field.null or field.many_to_many or field.db_default is not NOT_PROVIDED


def _explain_alteration(old: models.Field[Any, Any], new: models.Field[Any, Any]) -> str:
    if old.db_column != new.db_column:
        return _READ_BY_OLD_CODE
    if old.null and not new.null:
        return "old code may write NULL"
    if not new.null and old.db_default is not NOT_PROVIDED and new.db_default is NOT_PROVIDED:
        return "old code leaves it to the database's default"
    if new.unique and not old.unique:
        return "old code may write the same value twice"
    if not _keeps_type(old, new):
        return "the type changes: add a column of the new type beside it"
    return ""


def _keeps_type(old: models.Field[Any, Any], new: models.Field[Any, Any]) -> bool:
    """Text may become longer."""
    if old.is_relation or new.is_relation:
        targets = {str(getattr(f.remote_field, "model", "")).lower() for f in (old, new)}
        return type(old) is type(new) and len(targets) == 1
    if _is_text(old) and _is_text(new):
        return _get_length(new) >= _get_length(old)
    old_type, new_type = ((f.get_internal_type(), f.db_type(_POSTGRES)) for f in (old, new))
    return old_type == new_type


def _is_text(field: models.Field[Any, Any]) -> bool:
    return str(field.db_type(_POSTGRES)).startswith(("varchar", "text"))


def _get_length(field: models.Field[Any, Any]) -> float:
    length = re.search(r"\d+", str(field.db_type(_POSTGRES)))
    return int(length[0]) if length else float("inf")


def _explain_sql(sql: str, released: ReleasedSchema) -> str:
    for table in re.findall(_TABLE, sql, re.IGNORECASE):
        columns = released.list_columns(table.lower())
        if columns is None:
            continue
        if _BREAKING_SQL.search(sql) or columns & set(_DROPPED_COLUMN.findall(sql)):
            return f"old code still uses {table} as it is"
    return ""
