"""Migrations that lock a big table are refused."""

from __future__ import annotations

import psycopg
import pytest
from django.apps import apps
from django.contrib.postgres.operations import AddIndexConcurrently
from django.core.management import call_command
from django.db import OperationalError, connection, models
from django.db.migrations import Migration, operations
from django.db.migrations.loader import MigrationLoader

from tests.house.migration_locks import (
    SMALL_TABLES,
    collect_sql,
    find_created_tables,
    list_lock_problems,
)
from tests.house.test_migrations import RELEASED, list_new_migrations
from tests.workers import get_database_url

INDEX = 'CREATE INDEX "by_name" ON "sync_application" ("name")'
ADD_COLUMN = 'ALTER TABLE "sync_application" ADD COLUMN "x"'


def test_small_tables_exist() -> None:
    assert {model._meta.db_table for model in apps.get_models()} >= SMALL_TABLES - {
        "auth_group_permissions"
    }


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_new_migrations_lock_no_big_table() -> None:
    loader = MigrationLoader(connection)
    created: set[str] = set()
    for migration in list_new_migrations(loader, RELEASED):
        key = (migration.app_label, migration.name)
        statements = collect_sql(migration, loader.project_state(key, at_end=False))
        created |= find_created_tables(statements)
        assert list_lock_problems(statements, created) == [], key


def _collect_sql(operation: operations.base.Operation) -> list[str]:
    migration = Migration("0009_new", "sync")
    migration.operations = [operation]
    return collect_sql(migration, MigrationLoader(connection).project_state())


@pytest.mark.postgres
@pytest.mark.slow("builds all models from the migrations")
@pytest.mark.django_db(transaction=True)
def test_operation_that_locks_is_refused() -> None:
    unique = models.UniqueConstraint(fields=["remote_id"], name="new_once")
    check = models.CheckConstraint(condition=models.Q(remote_id__gt=0), name="new_check")
    user = models.ForeignKey("accounts.User", models.CASCADE, null=True)
    for operation in (
        operations.AddIndex("application", models.Index(fields=["applied_at"], name="new_index")),
        operations.AddConstraint("application", unique),
        operations.AddConstraint("application", check),
        operations.AddField("application", "x", user),
        operations.AddField("application", "x", models.PositiveIntegerField(null=True)),
        operations.AddField("application", "x", models.IntegerField(null=True, unique=True)),
    ):
        assert list_lock_problems(_collect_sql(operation)), operation.describe()


@pytest.mark.postgres
@pytest.mark.slow("builds all models from the migrations")
@pytest.mark.django_db(transaction=True)
def test_operation_that_does_not_lock_is_accepted() -> None:
    index = models.Index(fields=["applied_at"], name="new_index")
    concurrently = AddIndexConcurrently("application", index)
    assert list_lock_problems(_collect_sql(concurrently)) == []
    table = operations.CreateModel(
        "Seat",
        [
            ("id", models.BigAutoField(primary_key=True)),
            ("job", models.ForeignKey("sync.Job", models.CASCADE)),
        ],
    )
    assert list_lock_problems(_collect_sql(table)) == []
    column = operations.AddField("application", "x", models.IntegerField(default=0, db_default=0))
    assert list_lock_problems(_collect_sql(column)) == []


@pytest.mark.parametrize(
    "statement",
    [
        INDEX,
        INDEX.lower(),
        "create index on sync_application(name)",
        "CREATE INDEX x ON public.sync_application USING gin (name)",
        'CREATE UNIQUE INDEX "by_name" ON "sync_candidate" ("name")',
        'DROP INDEX "x"',
        'ALTER TABLE "audit_entry" ADD CONSTRAINT "c" CHECK (n > 0)',
        "alter table only audit_entry add constraint c check (n > 0)",
        'ALTER TABLE "sync_job" ADD CONSTRAINT "c" FOREIGN KEY ("a") REFERENCES "b" ("id")',
        'ALTER TABLE "sync_job" ADD CONSTRAINT "c" UNIQUE ("a")',
        f"{ADD_COLUMN} integer NULL UNIQUE",
        f'{ADD_COLUMN} bigint NULL REFERENCES "accounts_user" ("id")',
        f"{ADD_COLUMN} integer NULL CHECK (x > 0)",
        f"{ADD_COLUMN} uuid DEFAULT (gen_random_uuid()) NOT NULL",
        f"{ADD_COLUMN} text GENERATED ALWAYS AS (name) STORED",
        f"{ADD_COLUMN} serial",
        'UPDATE "connections_apicall" SET lane = 1',
        'WITH old AS (SELECT 1) UPDATE "connections_apicall" SET lane = 1',
        'DELETE FROM "core_transition"',
        'LOCK TABLE "sync_application"',
        "SELECT 1; VACUUM FULL sync_application; SELECT 1",
        "TRUNCATE TABLE jobs_stagecount",
        "REINDEX INDEX x",
        'ALTER TABLE "sync_job_offices" ADD CONSTRAINT "c" CHECK (n > 0)',
    ],
)
def test_statement_that_locks_is_refused(statement: str) -> None:
    assert list_lock_problems([statement])


@pytest.mark.parametrize(
    "statements",
    [
        [INDEX.replace("INDEX", "INDEX CONCURRENTLY", 1)],
        [INDEX.replace("INDEX", "UNIQUE INDEX CONCURRENTLY", 1)],
        [INDEX.replace("sync_application", "webhooks_endpoint")],
        ['CREATE TABLE "sync_application" ("id" bigint)', INDEX],
        [f"{ADD_COLUMN} text NULL"],
        [f"{ADD_COLUMN} text DEFAULT 'a (b)' NOT NULL"],
        [f"{ADD_COLUMN} timestamp with time zone DEFAULT (STATEMENT_TIMESTAMP()) NOT NULL"],
        ['ALTER TABLE "sync_job" ADD CONSTRAINT "c" CHECK (n > 0) NOT VALID'],
        ['ALTER TABLE "sync_job" VALIDATE CONSTRAINT "c"'],
        ['ALTER TABLE "sync_job" ADD CONSTRAINT "c" UNIQUE USING INDEX "x"'],
        ['ALTER TABLE "core_queuedtask" SET (autovacuum_vacuum_threshold = 1000)'],
        ["DROP INDEX CONCURRENTLY IF EXISTS x"],
    ],
)
def test_statement_that_does_not_lock_is_accepted(statements: list[str]) -> None:
    assert list_lock_problems(statements) == []


def test_table_of_an_earlier_new_migration_is_not_big() -> None:
    assert list_lock_problems([INDEX], created={"sync_application"}) == []


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_migrate_does_not_wait_for_a_lock() -> None:
    with psycopg.connect(get_database_url()) as other, other.cursor() as cursor:
        cursor.execute("LOCK TABLE django_migrations IN ACCESS EXCLUSIVE MODE")
        with pytest.raises(OperationalError, match="lock timeout"):
            call_command("migrate", lock_timeout=1, verbosity=0)
    with connection.cursor() as cursor:
        cursor.execute("RESET lock_timeout")
