"""The database's own refusal to change or delete an entry, beneath every path of the application.

Emptying a whole table (TRUNCATE on PostgreSQL) is not refused: that is an owner's deed, and the
chain tells it.
"""

from __future__ import annotations

from collections.abc import Mapping

from django.db.backends.base.base import BaseDatabaseWrapper

_SAYS = "the audit record is written once"

_PROTECT = {
    "postgresql": (
        f"""
        CREATE OR REPLACE FUNCTION audit_written_once() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN RAISE EXCEPTION '{_SAYS}'; END $$
        """,
        """
        CREATE TRIGGER audit_stays BEFORE UPDATE OR DELETE ON audit_entry
        FOR EACH ROW EXECUTE FUNCTION audit_written_once()
        """,
    ),
    "sqlite": tuple(
        f"CREATE TRIGGER audit_stays_on_{deed.lower()} BEFORE {deed} ON audit_entry "
        f"BEGIN SELECT RAISE(ABORT, '{_SAYS}'); END"
        for deed in ("UPDATE", "DELETE")
    ),
}
_UNPROTECT = {
    "postgresql": (
        "DROP TRIGGER IF EXISTS audit_stays ON audit_entry",
        "DROP FUNCTION IF EXISTS audit_written_once()",
    ),
    "sqlite": (
        "DROP TRIGGER IF EXISTS audit_stays_on_update",
        "DROP TRIGGER IF EXISTS audit_stays_on_delete",
    ),
}


def protect(connection: BaseDatabaseWrapper) -> None:
    """Have the database refuse UPDATE and DELETE of entries."""
    _say(connection, _PROTECT)


def unprotect(connection: BaseDatabaseWrapper) -> None:
    """Take the refusal back: for a migration backwards."""
    _say(connection, _UNPROTECT)


def _say(connection: BaseDatabaseWrapper, words: Mapping[str, tuple[str, ...]]) -> None:
    with connection.cursor() as cursor:
        for sentence in words.get(connection.vendor, ()):
            cursor.execute(sentence)
