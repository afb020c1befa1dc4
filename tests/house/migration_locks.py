"""Which migrations would lock a big table while the portal runs, by django-migration-linter and
what it does not look for. Works on the SQL that PostgreSQL would get.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import ClassVar

from django.apps import apps
from django.db import connection
from django.db.migrations import Migration
from django.db.migrations.state import ProjectState
from django_migration_linter.sql_analyser import PostgresqlAnalyser
from django_migration_linter.sql_analyser.base import Check, CheckMode, CheckType

# Tables with at most a few rows for each customer. All others grow with people, records or time.
SMALL_TABLES = {
    "accounts_organization", "auth_group", "auth_group_permissions", "auth_permission",
    "connections_connection", "connections_credential", "connections_callpause",
    "core_databaseidentity", "core_queueturn", "core_workerheartbeat", "decisions_recordsettings",
    "django_content_type", "django_q_ormq", "django_q_schedule", "jobs_answerpromise",
    "jobs_stagecountrun", "signin_singlesignon", "signin_singlesignondomain",
    "socialaccount_socialapp", "socialaccount_socialtoken", "support_savedfilter",
    "sync_freshnesstotal", "webhooks_endpoint", "webhooks_heartbeat",
}  # fmt: skip
_TABLE = re.compile(
    r"(?:TABLE|ON|INTO|UPDATE|FROM|FULL|CLUSTER|LOCK|TRUNCATE)\s+(?:TABLE\s+)?"
    r"(?:IF EXISTS\s+)?(?:ONLY\s+)?(?:\"?\w+\"?\.)?\"?(\w+)\"?"
)
_CREATED_TABLE = re.compile(r"CREATE TABLE\s+(?:IF NOT EXISTS\s+)?(?:\"?\w+\"?\.)?\"?(\w+)\"?")
# A moment that is the same for all rows needs no rewrite; other functions may.
_FAST_DEFAULTS = r"NOW|STATEMENT_TIMESTAMP|TRANSACTION_TIMESTAMP|CAST|COALESCE"
# Known only from what the previous release has; `migration_breakage` decides.
_LEFT_TO_BREAKAGE = {"ALTER_COLUMN", "NOT_NULL", "DROP_COLUMN", "DROP_TABLE", "RENAME_COLUMN",
                     "RENAME_TABLE"}  # fmt: skip


def _check(code: str, pattern: str, message: str) -> Check:
    expression = re.compile(pattern)
    return Check(
        code=code,
        fn=lambda sql, **_: expression.search(sql),
        message=message,
        mode=CheckMode.ONE_LINER,
        type=CheckType.ERROR,
    )


class LockAnalyser(PostgresqlAnalyser):
    migration_checks: ClassVar[list[Check]] = [
        *PostgresqlAnalyser.migration_checks,
        _check(
            "SCANNING_CONSTRAINT",
            r"ADD CONSTRAINT (?!.*NOT VALID).*\b(CHECK|FOREIGN KEY|EXCLUDE)\b",
            "ADD CONSTRAINT reads the whole table under a lock; add it NOT VALID first",
        ),
        _check(
            "COLUMN_WITH_CONSTRAINT",
            r"ADD COLUMN .*\b(UNIQUE|REFERENCES|CHECK|PRIMARY KEY)\b",
            "ADD COLUMN with a constraint reads the whole table under a lock; add it afterwards",
        ),
        _check(
            "REWRITTEN_TABLE",
            r"ADD COLUMN .*\b(GENERATED|SERIAL|BIGSERIAL|IDENTITY)\b"
            rf"|ADD COLUMN .*\bDEFAULT \(?(?!(?:{_FAST_DEFAULTS})\b)[A-Z_]+ \("
            r"|SET (UN)?LOGGED|SET TABLESPACE|SET ACCESS METHOD",
            "writes the whole table anew under a lock",
        ),
        _check("REINDEX", r"^REINDEX (?!.*CONCURRENTLY)", "REINDEX locks table"),
        _check(
            "ADD_UNIQUE",
            r"CREATE UNIQUE INDEX (?!CONCURRENTLY)"
            r"|ADD CONSTRAINT (?!.*USING INDEX).*\b(UNIQUE|PRIMARY KEY)\b",
            "builds an index under a lock; create it concurrently, then USING INDEX",
        ),
        _check(
            "UPDATE",
            r"\b(UPDATE (?!SET\b)|DELETE FROM\b|MERGE INTO\b|INSERT INTO .* SELECT\b)",
            "changes rows in the migration; do it in batches, in a task or a command",
        ),
        _check(
            "LOCK_TABLE",
            r"^(LOCK|VACUUM FULL|VACUUM \(.*FULL|CLUSTER|TRUNCATE)\b|CREATE TRIGGER\b",
            "locks the table",
        ),
    ]


def list_big_tables() -> set[str]:
    models = apps.get_models(include_auto_created=True)
    return {model._meta.db_table for model in models} - SMALL_TABLES


def collect_sql(migration: Migration, state: ProjectState) -> list[str]:
    """Return the statements of a migration on PostgreSQL, without running them."""
    editor = connection.schema_editor(collect_sql=True, atomic=False)
    with editor:
        migration.apply(state, editor, collect_sql=True)
    return [line for line in editor.collected_sql if not line.startswith("--")]


def list_lock_problems(statements: Iterable[str], created: Iterable[str] = ()) -> list[str]:
    """List what locks a big table that is older than these statements and not in `created`."""
    normalized = list(_normalize(statements))
    new = {name.lower() for name in created} | find_created_tables(normalized)
    return [
        f"{', '.join(sorted(tables)) or 'index'}: {message}"
        for sql in normalized
        if (tables := {name.lower() for name in _TABLE.findall(sql)} & list_big_tables() - new)
        or re.match(r"DROP INDEX|REINDEX", sql)
        for message in _analyse(sql)
    ]


def find_created_tables(statements: Iterable[str]) -> set[str]:
    created = (_CREATED_TABLE.findall(sql) for sql in _normalize(statements))
    return {name.lower() for names in created for name in names}


def _normalize(statements: Iterable[str]) -> Iterator[str]:
    """The linter expects a statement at a time, as Django writes it."""
    for text in statements:
        for statement in text.split(";"):
            words = re.sub(r"\s*\(", " (", " ".join(statement.split()))
            if words:
                yield words.upper()


def _analyse(sql: str) -> list[str]:
    analyser = LockAnalyser(_LEFT_TO_BREAKAGE)
    analyser.analyse([sql])
    return list(dict.fromkeys(i.message for i in (*analyser.errors, *analyser.warnings)))
