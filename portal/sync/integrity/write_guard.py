"""Block writes for a connection that was disconnected, is being emptied or changed credential."""

from __future__ import annotations

from typing import Any, TypeVar

from django.db import connection as database
from django.db.models import QuerySet

from integrations.ats.errors import AtsError
from portal.connections.client import get_writing_credential_id
from portal.connections.models import Connection, Credential
from portal.core.database.compiled_queries import compile_once
from portal.sync.models import Application, SyncedRecord

Row = TypeVar("Row", bound=SyncedRecord)
_CONNECTION, _CREDENTIAL = Connection._meta.db_table, Credential._meta.db_table

# Refers to the CTEs of `build_lock_ctes`.
WRITE_ALLOWED_SQL = (
    "EXISTS (SELECT 1 FROM open_connection) AND EXISTS (SELECT 1 FROM valid_credential)"
)


class ConnectionChanged(AtsError):
    """The connection or its credential changed in between; nothing was written."""

    default_sentence = "The connection was changed or disconnected during the request."


def build_lock_ctes(vendor: str) -> str:
    # Ending a connection waits for running writes, and none follows it. SQLite has one writer.
    share = "FOR SHARE" if vendor == "postgresql" else ""
    return f"""
        open_connection AS (
            SELECT id FROM {_CONNECTION}
            WHERE id = %s AND state <> '{Connection.State.DISCONNECTED}'
                AND NOT data_deletion_pending {share}
        ),
        active_credential AS (
            SELECT id FROM {_CREDENTIAL}
            WHERE id = %s AND state = '{Credential.State.IN_USE}' {share}
        ),
        valid_credential AS (
            SELECT 1 WHERE CAST(%s AS bigint) IS NULL OR EXISTS (SELECT 1 FROM active_credential)
        )
    """  # noqa: S608  # only table names of our own models


def build_lock_params(connection: Connection) -> list[Any]:
    credential = get_writing_credential_id()
    return [connection.pk, credential, credential]


def is_write_allowed(connection: Connection) -> bool:
    """Check within a transaction, before other statements write."""
    with database.cursor() as cursor:
        statement = f"WITH {build_lock_ctes(database.vendor)} SELECT 1 WHERE {WRITE_ALLOWED_SQL}"
        cursor.execute(statement, build_lock_params(connection))
        return cursor.fetchone() is not None


def get_written_row(model: type[Row], connection: Connection, remote_id: int) -> Row:
    """Return the row that was just written. Raises ConnectionChanged if writing was not allowed."""
    rows = _find_writable_row(connection.pk, remote_id, get_writing_credential_id(), model=model)
    if not rows:
        raise ConnectionChanged
    row: Row = rows[0]
    row.connection = connection
    return row


@compile_once
def _find_writable_row(
    connection_id: int, remote_id: int, credential_id: int | None, *, model: type[SyncedRecord]
) -> QuerySet[Any]:
    rows: QuerySet[Any] = model._default_manager.filter(
        connection=connection_id, remote_id=remote_id
    )
    rows = rows.exclude(connection__state=Connection.State.DISCONNECTED)
    rows = rows.filter(connection__data_deletion_pending=False)
    if credential_id is not None:
        rows = rows.filter(
            connection__credentials=credential_id,
            connection__credentials__state=Credential.State.IN_USE,
        )
    return rows.select_related("job") if issubclass(model, Application) else rows
