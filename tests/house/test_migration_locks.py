"""Migrations that lock a big table are refused."""

from __future__ import annotations

import psycopg
import pytest
from django.apps import apps
from django.core.management import call_command
from django.db import OperationalError, connection
from django.db.migrations import Migration
from django.db.migrations.loader import MigrationLoader

from tests.house.migration_locks import BIG_TABLES, collect_sql, list_lock_problems
from tests.house.test_migrations import RELEASED
from tests.workers import get_database_url

INDEX = 'CREATE INDEX "by_name" ON "sync_application" ("name")'


def test_big_tables_exist() -> None:
    assert {model._meta.db_table for model in apps.get_models()} >= BIG_TABLES


@pytest.mark.postgres
@pytest.mark.django_db
def test_new_migrations_lock_no_big_table() -> None:
    loader = MigrationLoader(connection)
    for app, released in RELEASED.items():
        for key, migration in loader.disk_migrations.items():
            if key[0] == app and key[1] > released:
                state = loader.project_state((app, key[1]), at_end=False)
                assert list_lock_problems(collect_sql(migration, state)) == [], key


@pytest.mark.postgres
@pytest.mark.django_db
def test_migration_that_adds_an_index_is_refused() -> None:
    from django.db.migrations import operations
    from django.db.models import Index

    migration = Migration("0009_index", "sync")
    index = Index(fields=["applied_at"], name="slow_index")
    migration.operations = [operations.AddIndex("application", index)]
    state = MigrationLoader(connection).project_state()
    [problem] = list_lock_problems(collect_sql(migration, state))
    assert problem.startswith("sync_application: CREATE INDEX locks table")


@pytest.mark.parametrize(
    "statement",
    [
        INDEX,
        'CREATE UNIQUE INDEX "by_name" ON "sync_candidate" ("name")',
        'DROP INDEX "x"; ALTER TABLE "audit_entry" ADD CONSTRAINT "c" CHECK (n > 0)',
        'ALTER TABLE "sync_job" ADD CONSTRAINT "c" FOREIGN KEY ("a") REFERENCES "b" ("id")',
        'ALTER TABLE "sync_job" ADD CONSTRAINT "c" UNIQUE ("a")',
        'UPDATE "connections_apicall" SET lane = 1',
        'DELETE FROM "core_transition"',
        'LOCK TABLE "sync_application"',
    ],
)
def test_statement_that_locks_is_refused(statement: str) -> None:
    assert list_lock_problems([statement])


@pytest.mark.parametrize(
    "statements",
    [
        [INDEX.replace("INDEX", "INDEX CONCURRENTLY", 1)],
        [INDEX.replace("sync_application", "sync_office")],
        ['CREATE TABLE "sync_application" ("id" bigint)', INDEX],
        ['ALTER TABLE "sync_application" ADD COLUMN "note" text NULL'],
        ['ALTER TABLE "sync_job" ADD CONSTRAINT "c" CHECK (n > 0) NOT VALID'],
        ['ALTER TABLE "sync_job" VALIDATE CONSTRAINT "c"'],
    ],
)
def test_statement_that_does_not_lock_is_accepted(statements: list[str]) -> None:
    assert list_lock_problems(statements) == []


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_migrate_does_not_wait_for_a_lock() -> None:
    with psycopg.connect(get_database_url()) as other, other.cursor() as cursor:
        cursor.execute("LOCK TABLE django_migrations IN ACCESS EXCLUSIVE MODE")
        with pytest.raises(OperationalError, match="lock timeout"):
            call_command("migrate", lock_timeout=1, verbosity=0)
    with connection.cursor() as cursor:
        cursor.execute("RESET lock_timeout")
