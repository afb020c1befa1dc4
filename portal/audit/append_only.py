"""Database triggers that reject changes to audit entries. TRUNCATE is not rejected on PostgreSQL;
the hash chain detects it.
"""

from __future__ import annotations

from collections.abc import Mapping

from django.db.backends.base.base import BaseDatabaseWrapper

_ERROR_MESSAGE = "the audit record is written once"

_INSTALL_SQL = {
    "postgresql": (
        f"""
        CREATE OR REPLACE FUNCTION audit_reject_change() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN RAISE EXCEPTION '{_ERROR_MESSAGE}'; END $$
        """,
        """
        CREATE TRIGGER audit_append_only BEFORE UPDATE OR DELETE ON audit_entry
        FOR EACH ROW EXECUTE FUNCTION audit_reject_change()
        """,
    ),
    "sqlite": tuple(
        f"CREATE TRIGGER audit_append_only_on_{operation.lower()} BEFORE {operation} "
        f"ON audit_entry BEGIN SELECT RAISE(ABORT, '{_ERROR_MESSAGE}'); END"
        for operation in ("UPDATE", "DELETE")
    ),
}
_REMOVE_SQL = {
    "postgresql": (
        "DROP TRIGGER IF EXISTS audit_append_only ON audit_entry",
        "DROP FUNCTION IF EXISTS audit_reject_change()",
    ),
    "sqlite": (
        "DROP TRIGGER IF EXISTS audit_append_only_on_update",
        "DROP TRIGGER IF EXISTS audit_append_only_on_delete",
    ),
}


def install_triggers(connection: BaseDatabaseWrapper) -> None:
    _execute_statements(connection, _INSTALL_SQL)


def remove_triggers(connection: BaseDatabaseWrapper) -> None:
    _execute_statements(connection, _REMOVE_SQL)


def _execute_statements(
    connection: BaseDatabaseWrapper, statements: Mapping[str, tuple[str, ...]]
) -> None:
    with connection.cursor() as cursor:
        for statement in statements.get(connection.vendor, ()):
            cursor.execute(statement)
