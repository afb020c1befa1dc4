"""Zero-downtime migrations: the previous release keeps running on the new schema.

See docs/deployment.md. Migrations that are part of a release, and initial ones, are exempt.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import models
from django.db.migrations import Migration, operations
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.state import ModelState, ProjectState

from tests.house import migration_breakage
from tests.house.migration_breakage import ReleasedSchema, list_breakages

# The newest migration of each app in the latest release. Empty while nothing is released: until
# then, change the initial migrations. Update it with each release.
RELEASED: dict[str, str] = {}


def list_new_migrations(
    loader: MigrationLoader, released: Mapping[str, str]
) -> Iterator[Migration]:
    """Yield those of apps that are part of a release, in the order in which they are applied."""
    for key in _list_in_order(loader):
        if key[0] in released and key[1] > released[key[0]]:
            yield loader.disk_migrations[key]


def _list_in_order(loader: MigrationLoader) -> list[tuple[str, str]]:
    plans = (loader.graph.forwards_plan(leaf) for leaf in loader.graph.leaf_nodes())
    return list(dict.fromkeys(key for plan in plans for key in plan))


def test_new_migrations_keep_previous_release_running() -> None:
    loader = MigrationLoader(None)
    schema = ReleasedSchema(loader.project_state(list(RELEASED.items())))
    for migration in list_new_migrations(loader, RELEASED):
        assert list_breakages(migration, schema) == []


def test_released_migrations_exist() -> None:
    assert RELEASED.items() <= MigrationLoader(None).disk_migrations.keys()


@pytest.mark.parametrize(
    ("released", "names"),
    [
        ({}, []),
        ({"core": "0002_queue_autovacuum"}, []),
        ({"core": "0001_initial"}, ["0002_queue_autovacuum"]),
    ],
)
def test_only_migrations_after_release_checked(released: dict[str, str], names: list[str]) -> None:
    new = list_new_migrations(MigrationLoader(None), released)
    assert [migration.name for migration in new] == names


def _build_schema() -> ReleasedSchema:
    fields = [
        ("id", models.BigAutoField(primary_key=True)),
        ("name", models.CharField(max_length=200)),
        ("note", models.CharField(max_length=200, null=True)),
        ("seats", models.IntegerField(default=0)),
        ("salary", models.IntegerField(null=True)),
        ("floor", models.IntegerField(default=0, db_default=0)),
        ("owner", models.ForeignKey("accounts.User", models.CASCADE)),
        ("offices", models.ManyToManyField("sync.Office")),
    ]
    state = ProjectState()
    state.add_model(ModelState("jobs", "Job", fields))  # type: ignore[arg-type]
    return ReleasedSchema(state)


SCHEMA = _build_schema()
NUMBER = models.IntegerField(default=0)
CHECK = models.CheckConstraint(condition=models.Q(seats__gte=0), name="seats_positive")


@pytest.mark.parametrize(
    "operation",
    [
        operations.AddField("job", "desks", models.IntegerField(null=True)),
        operations.AddField("job", "desks", models.IntegerField(default=0, db_default=0)),
        operations.AddField("job", "teams", models.ManyToManyField("sync.Department")),
        operations.AddIndex("job", models.Index(fields=["id"], name="by_id")),
        AddIndexConcurrently("job", models.Index(fields=["id"], name="by_id")),
        operations.AlterField("job", "name", models.CharField(max_length=400)),
        operations.AlterField("job", "name", models.TextField()),
        operations.AlterField("job", "seats", models.IntegerField(default=1, help_text="…")),
        operations.AlterField("job", "seats", models.IntegerField(null=True)),
        operations.AlterField("job", "owner", models.ForeignKey("accounts.User", models.PROTECT)),
        operations.CreateModel("seat", []),
        # What the released code does not know, it does not use.
        operations.AddField("seat", "number", NUMBER),
        operations.RemoveField("job", "desks"),
        operations.RenameField("seat", "number", "row"),
        operations.DeleteModel("seat"),
        operations.AddConstraint("seat", CHECK),
        operations.SeparateDatabaseAndState(state_operations=[operations.DeleteModel("job")]),
        operations.RunSQL('ALTER TABLE "jobs_job" DROP COLUMN "desks"'),
        operations.RunSQL("DROP TABLE jobs_seat"),
        operations.RunSQL('CREATE INDEX CONCURRENTLY "x" ON "jobs_job" ("name")'),
        operations.RunSQL("ALTER TABLE jobs_job VALIDATE CONSTRAINT seats_positive"),
    ],
    ids=lambda operation: f"{operation.describe()} {getattr(operation, 'sql', '')}",
)
def test_compatible_operation_accepted(operation: Any) -> None:
    assert _list_reasons(operation) == []


@pytest.mark.parametrize(
    "operation",
    [
        operations.AddField("job", "desks", NUMBER),
        operations.RemoveField("job", "seats"),
        operations.RemoveField("job", "offices"),
        operations.RenameField("job", "seats", "places"),
        operations.RenameModel("Job", "Requisition"),
        operations.DeleteModel("Job"),
        operations.AlterModelTable("job", "requisitions"),
        operations.AlterField("job", "note", models.CharField(max_length=200, default="")),
        operations.AlterField("job", "note", models.CharField(max_length=200, db_default="")),
        operations.AlterField("job", "name", models.CharField(max_length=100)),
        operations.AlterField("job", "name", models.CharField(max_length=200, unique=True)),
        operations.AlterField("job", "name", models.CharField(max_length=200, db_column="title")),
        operations.AlterField("job", "seats", models.BigIntegerField(default=0)),
        operations.AlterField("job", "seats", models.PositiveIntegerField(default=0)),
        operations.AlterField("job", "salary", models.DecimalField(null=True, max_digits=9)),
        operations.AlterField("job", "floor", models.IntegerField(default=0)),
        operations.AlterField("job", "owner", models.ForeignKey("sync.AtsUser", models.CASCADE)),
        operations.AddConstraint("job", CHECK),
        operations.AddConstraint("job", models.UniqueConstraint(fields=["name"], name="once")),
        operations.AlterUniqueTogether("job", {("name", "seats")}),
        operations.RunPython(lambda apps, editor: None),
        operations.RunSQL('ALTER TABLE "jobs_job" DROP COLUMN "seats"'),
        operations.RunSQL("alter table only public.jobs_job drop column if exists owner_id"),
        operations.RunSQL(["ALTER TABLE jobs_job RENAME seats TO places"]),
        operations.RunSQL("ALTER TABLE jobs_job ALTER seats TYPE bigint"),
        operations.RunSQL("ALTER TABLE jobs_job ALTER COLUMN note SET NOT NULL"),
        operations.RunSQL("DROP TABLE IF EXISTS jobs_job"),
        operations.RunSQL("DROP TABLE jobs_job_offices"),
        operations.SeparateDatabaseAndState([operations.RemoveField("job", "seats")]),
    ],
    ids=lambda operation: f"{operation.describe()} {getattr(operation, 'sql', '')}",
)
def test_incompatible_operation_refused(operation: Any) -> None:
    assert _list_reasons(operation)


def test_reviewed_code_and_obeyed_constraints_accepted(monkeypatch: pytest.MonkeyPatch) -> None:
    migration = Migration("0002_x", "jobs")
    migration.operations = [
        operations.RunPython(operations.RunPython.noop),
        operations.AddConstraint("job", CHECK),
        operations.RemoveField("job", "seats"),
    ]
    assert len(list_breakages(migration, SCHEMA)) == 3
    monkeypatch.setitem(migration_breakage.REVIEWED_CODE, ("jobs", "0002_x"), "changes nothing")
    monkeypatch.setitem(migration_breakage.OBEYED_CONSTRAINTS, "seats_positive", "0.1.0")
    [problem] = list_breakages(migration, SCHEMA)
    assert problem.startswith("jobs.0002_x: Remove field seats from job: old code still reads it")


def _list_reasons(operation: Any) -> list[str]:
    migration = Migration("0002_x", "jobs")
    migration.operations = [operation]
    return list_breakages(migration, SCHEMA)
