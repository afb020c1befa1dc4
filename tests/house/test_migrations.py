"""Zero-downtime migrations: the previous release keeps running on the new schema.

See docs/deployment.md. Migrations that are part of a release, and initial ones, are exempt.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import pytest
from django.db import models
from django.db.migrations import Migration, operations
from django.db.migrations.loader import MigrationLoader
from django.db.models.fields import NOT_PROVIDED

# The newest migration of each app in the latest release. Empty while nothing is released: until
# then, change the initial migrations. Update it with each release.
RELEASED: dict[str, str] = {}

DESTRUCTIVE = (
    operations.RemoveField,
    operations.DeleteModel,
    operations.RenameField,
    operations.RenameModel,
    operations.AlterModelTable,
)


def explain_breakage(operation: Any) -> str:
    """Return why the previous release would break on this operation, or an empty string."""
    if isinstance(operation, operations.SeparateDatabaseAndState):
        return next(filter(None, map(explain_breakage, operation.database_operations)), "")
    if isinstance(operation, DESTRUCTIVE):
        return "old code still reads it: release code that does not, then remove it"
    if isinstance(operation, operations.AddField) and not _can_be_omitted(operation.field):
        return "old code omits it on insert: make it nullable or give it a db_default"
    if isinstance(operation, operations.AlterField) and not _accepts_old_values(operation.field):
        return "old code may write values that it no longer accepts"
    return ""


def _can_be_omitted(field: models.Field[Any, Any]) -> bool:
    return field.null or field.many_to_many or field.db_default is not NOT_PROVIDED


def _accepts_old_values(field: models.Field[Any, Any]) -> bool:
    """For text, only choices, labels and the length are expected to change."""
    return _can_be_omitted(field) or isinstance(field, models.CharField | models.TextField)


def list_breakages(migrations: Iterable[Migration], released: Mapping[str, str]) -> list[str]:
    """List what breaks the previous release, in migrations newer than `released`."""
    return [
        f"{migration.app_label}.{migration.name}: {operation.describe()}: {reason}"
        for migration in migrations
        if _is_newer(migration, released.get(migration.app_label))
        for operation in migration.operations
        if (reason := explain_breakage(operation))
    ]


def _is_newer(migration: Migration, released: str | None) -> bool:
    """Apps without a released migration are new: no old code uses their tables."""
    return released is not None and migration.name > released


def test_new_migrations_keep_previous_release_running() -> None:
    assert list_breakages(MigrationLoader(None).disk_migrations.values(), RELEASED) == []


def test_released_migrations_exist() -> None:
    assert RELEASED.items() <= MigrationLoader(None).disk_migrations.keys()


@pytest.mark.parametrize(
    ("name", "released", "count"),
    [
        ("0002_drop_seats", {"jobs": "0001_initial"}, 1),
        ("0002_drop_seats", {"jobs": "0002_drop_seats"}, 0),
        ("0002_drop_seats", {"sync": "0001_initial"}, 0),
        ("0002_drop_seats", {}, 0),
    ],
)
def test_only_migrations_after_release_checked(
    name: str, released: dict[str, str], count: int
) -> None:
    migration = Migration(name, "jobs")
    migration.operations = [operations.RemoveField("job", "seats")]
    assert len(list_breakages([migration], released)) == count


NUMBER = models.IntegerField(default=0)


@pytest.mark.parametrize(
    "operation",
    [
        operations.AddField("job", "seats", models.IntegerField(null=True)),
        operations.AddField("job", "seats", models.IntegerField(default=0, db_default=0)),
        operations.CreateModel("seat", []),
        operations.AddIndex("job", models.Index(fields=["id"], name="by_id")),
        operations.AlterField("job", "name", models.CharField(max_length=400)),
        operations.SeparateDatabaseAndState(state_operations=[operations.DeleteModel("seat")]),
    ],
    ids=lambda operation: operation.describe(),
)
def test_compatible_operation_accepted(operation: Any) -> None:
    assert explain_breakage(operation) == ""


@pytest.mark.parametrize(
    "operation",
    [
        operations.AddField("job", "seats", NUMBER),
        operations.RemoveField("job", "seats"),
        operations.RenameField("job", "seats", "places"),
        operations.RenameModel("job", "requisition"),
        operations.DeleteModel("job"),
        operations.AlterField("job", "seats", NUMBER),
        operations.SeparateDatabaseAndState([operations.RemoveField("job", "seats")]),
    ],
    ids=lambda operation: operation.describe(),
)
def test_incompatible_operation_refused(operation: Any) -> None:
    assert explain_breakage(operation)
