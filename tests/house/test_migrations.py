"""The rule of a release without an interruption (docs/deployment.md): old code lives with the new
schema. What stood before the first release is not asked.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.apps import apps
from django.db import models
from django.db.migrations import operations
from django.db.migrations.loader import MigrationLoader
from django.db.models.fields import NOT_PROVIDED

# The newest migration of each room at the first release; whoever releases moves it on.
RELEASED = {
    "accounts": "0003_erased_people",
    "applications": "0003_as_service_account",
    "audit": "0002_chain",
    "connections": "0006_service_account_acts",
    "core": "0003_transitions_by_age",
    "issues": "0002_consent_ending",
    "jobs": "0004_search_for_candidates",
    "members": "0001_initial",
    "mirror": "0009_custom_fields",
    "notices": "0002_preferences_and_chat",
    "signin": "0001_initial",
    "support": "0001_look",
    "webhooks": "0001_initial",
}

GONE = (
    operations.RemoveField,
    operations.DeleteModel,
    operations.RenameField,
    operations.RenameModel,
    operations.AlterModelTable,
)


def breaks(operation: Any) -> str:
    """Why code of the release before could not live with it, "" where it can."""
    if isinstance(operation, operations.SeparateDatabaseAndState):
        return next(filter(None, map(breaks, operation.database_operations)), "")
    if isinstance(operation, GONE):
        return "old code still reads it: release code that does not, then remove it"
    if isinstance(operation, operations.AddField):
        return "" if _can_be_left_out(operation.field) else "old code leaves it out when it inserts"
    if isinstance(operation, operations.AlterField) and not _takes_all(operation.field):
        return "old code may write what it no longer takes"
    return ""


def _can_be_left_out(field: models.Field[Any, Any]) -> bool:
    return field.null or field.many_to_many or field.db_default is not NOT_PROVIDED


def _takes_all(field: models.Field[Any, Any]) -> bool:
    """It may be left out; or a text, of which only choices, labels and the length change."""
    return _can_be_left_out(field) or isinstance(field, models.CharField | models.TextField)


def _new() -> Iterator[tuple[str, Any]]:
    for (label, name), migration in MigrationLoader(None).disk_migrations.items():
        ours = apps.get_app_config(label).name.startswith("portal.")
        if ours and not migration.initial and name > RELEASED.get(label, ""):
            yield from ((f"{label}.{name}", one) for one in migration.operations)


def test_no_migration_since_the_release_takes_away_what_old_code_needs() -> None:
    told = [f"{name}: {one.describe()}: {breaks(one)}" for name, one in _new() if breaks(one)]
    assert told == []


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
    ids=lambda one: one.describe(),
)
def test_what_old_code_can_live_with_passes(operation: Any) -> None:
    assert breaks(operation) == ""


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
    ids=lambda one: one.describe(),
)
def test_what_old_code_cannot_live_with_is_found(operation: Any) -> None:
    assert breaks(operation)
