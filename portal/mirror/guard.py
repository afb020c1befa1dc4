"""Whether what Greenhouse told may still be written: not once the connection has ended, its mirror
is being emptied, or another credential came in place of the one that was told.

Asked within the statement or transaction that writes, with the rows locked for others to read, so
that whoever ends a connection waits for what is being written, and nothing is written after it.
"""

from __future__ import annotations

from typing import Any, TypeVar

from django.db import connection as database
from django.db.models import QuerySet

from integrations.ats.errors import AtsError
from portal.connections.models import Connection, Credential
from portal.connections.open import told_to
from portal.mirror.models import Mirrored

Row = TypeVar("Row", bound=Mirrored)
_CONNECTION, _CREDENTIAL = Connection._meta.db_table, Credential._meta.db_table

# In terms of `tables`.
ALLOWED = "EXISTS (SELECT 1 FROM open_connection) AND EXISTS (SELECT 1 FROM told_credential)"


class Ended(AtsError):
    """What was told may not be written any more."""

    default_sentence = "The connection was ended or changed while Greenhouse was asked."


def tables(vendor: str) -> str:
    """Of a WITH: one row each while it may be written. SQLite knows one writer at a time anyway."""
    share = "FOR SHARE" if vendor == "postgresql" else ""
    return f"""
        open_connection AS (
            SELECT id FROM {_CONNECTION}
            WHERE id = %s AND state <> '{Connection.State.DISCONNECTED}' AND NOT emptying {share}
        ),
        living_credential AS (
            SELECT id FROM {_CREDENTIAL}
            WHERE id = %s AND state = '{Credential.State.IN_USE}' {share}
        ),
        told_credential AS (
            SELECT 1 WHERE CAST(%s AS bigint) IS NULL OR EXISTS (SELECT 1 FROM living_credential)
        )
    """  # noqa: S608  # names of our own models alone


def params(connection: Connection) -> list[Any]:
    """What `tables` is asked with."""
    credential = told_to()
    return [connection.pk, credential, credential]


def allows(connection: Connection) -> bool:
    """Ask by itself: within a transaction, before something else is written."""
    with database.cursor() as cursor:
        statement = f"WITH {tables(database.vendor)} SELECT 1 WHERE {ALLOWED}"
        cursor.execute(statement, params(connection))
        return cursor.fetchone() is not None


def written(rows: QuerySet[Row]) -> Row:
    """The row that was just to be written. Raises Ended where it may not have been: what is here
    then tells nothing.
    """
    living = rows.exclude(connection__state=Connection.State.DISCONNECTED)
    living = living.filter(connection__emptying=False)
    if credential := told_to():
        in_use = Credential.State.IN_USE
        living = living.filter(
            connection__credentials=credential, connection__credentials__state=in_use
        )
    row = living.first()
    if row is None:
        raise Ended
    return row
