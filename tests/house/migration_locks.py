"""Which migrations would lock a big table while the portal runs, by django-migration-linter and
what it does not look for. Works on the SQL that PostgreSQL would get.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import ClassVar

from django.db import connection
from django.db.migrations import Migration
from django.db.migrations.state import ProjectState
from django_migration_linter.sql_analyser import PostgresqlAnalyser
from django_migration_linter.sql_analyser.base import Check, CheckMode, CheckType

# Tables that grow with customers' records and with time.
BIG_TABLES = {
    "sync_application", "sync_candidate", "sync_job", "sync_jobgrant", "sync_stagename",
    "sync_syncrun", "sync_syncstep", "connections_apicall", "core_transition", "core_queuedtask",
    "audit_entry", "applications_applicationaction", "notifications_notification",
    "notifications_outgoingemail", "webhooks_delivery", "accounts_membership",
}  # fmt: skip
_TABLE = re.compile(r"(?:TABLE|ON|INTO|UPDATE|FROM)\s+(?:ONLY\s+)?\"?(\w+)\"?")
# The table alone says whether text only got longer, which is safe; the test of operations does.
_LEFT_TO_OPERATIONS = {"ALTER_COLUMN", "NOT_NULL", "DROP_COLUMN", "DROP_TABLE", "RENAME_COLUMN",
                       "RENAME_TABLE"}  # fmt: skip


def _is_scanning_constraint(sql: str, **_: object) -> bool:
    is_added = re.search(r"ADD CONSTRAINT .* (CHECK|FOREIGN KEY|EXCLUDE)", sql)
    return bool(is_added) and "NOT VALID" not in sql


class LockAnalyser(PostgresqlAnalyser):
    migration_checks: ClassVar[list[Check]] = [
        *PostgresqlAnalyser.migration_checks,
        Check(
            code="SCANNING_CONSTRAINT",
            fn=_is_scanning_constraint,
            message="ADD CONSTRAINT reads the whole table under a lock; add it NOT VALID first",
            mode=CheckMode.ONE_LINER,
            type=CheckType.ERROR,
        ),
        Check(
            code="UPDATE",
            fn=lambda sql, **_: re.match(r"\s*(UPDATE|DELETE FROM)\b", sql),
            message="changes rows in the migration; do it in batches, in a task or a command",
            mode=CheckMode.ONE_LINER,
            type=CheckType.ERROR,
        ),
        Check(
            code="LOCK_TABLE",
            fn=lambda sql, **_: re.match(r"\s*(LOCK TABLE|VACUUM FULL|CLUSTER)\b", sql),
            message="locks the table",
            mode=CheckMode.ONE_LINER,
            type=CheckType.ERROR,
        ),
    ]


def collect_sql(migration: Migration, state: ProjectState) -> list[str]:
    """Return the statements of a migration on PostgreSQL, without running them."""
    editor = connection.schema_editor(collect_sql=True, atomic=False)
    with editor:
        migration.apply(state, editor, collect_sql=True)
    return [line for line in editor.collected_sql if not line.startswith("--")]


def list_lock_problems(statements: Iterable[str]) -> list[str]:
    """List what locks a big table that exists before these statements."""
    statements = list(statements)
    created = {name for sql in statements for name in re.findall(r"CREATE TABLE \"?(\w+)", sql)}
    problems = []
    for sql in statements:
        tables = set(_TABLE.findall(sql)) & BIG_TABLES - created
        if not tables:
            continue
        analyser = LockAnalyser(_LEFT_TO_OPERATIONS)
        analyser.analyse([sql])
        problems += [
            f"{', '.join(sorted(tables))}: {issue.message}"
            for issue in (*analyser.errors, *analyser.warnings)
        ]
    return problems
