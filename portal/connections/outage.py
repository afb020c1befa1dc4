"""Whether Greenhouse answers a connection's calls just now."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.db import connection as database
from django.utils import timezone

from portal.connections.models import ApiCall, CallPause, Connection, WaitCause
from portal.core.database.prepared_statements import use_prepared_statements

# What was last heard counts for so long: afterwards, nobody knows.
KNOWN_FOR = timedelta(minutes=5)
# One failure may be one record's; a retry that fails as well is an outage.
MIN_FAILURES = 2
_OUTAGE_ERRORS = ("AtsUnavailable", "OutcomeUnknown")
# SQL of our own, because every page asks.
_IS_DOWN_SQL = f"""
SELECT EXISTS (
    SELECT 1 FROM {CallPause._meta.db_table}
    WHERE connection_id = %(connection)s AND cause = %(cause)s AND until > %(known_since)s
) OR (
    SELECT COUNT(*) FROM (
        SELECT error FROM {ApiCall._meta.db_table}
        WHERE connection_id = %(connection)s AND at > %(known_since)s
        ORDER BY at DESC, id DESC LIMIT {MIN_FAILURES}
    ) latest WHERE error IN {_OUTAGE_ERRORS}
) = {MIN_FAILURES}
"""  # noqa: S608  (names and numbers of our own)


@use_prepared_statements()
def is_greenhouse_down(connection: Connection | None) -> bool:
    """True while the circuit breaker is open, and as soon as a call and its retry failed."""
    if connection is None:
        return False
    known_since = database.ops.adapt_datetimefield_value(timezone.now() - KNOWN_FOR)
    values: dict[str, Any] = {
        "connection": connection.pk,
        "cause": WaitCause.SLOW.value,
        "known_since": known_since,
    }
    with database.cursor() as cursor:
        cursor.execute(_IS_DOWN_SQL, values)
        [is_down] = cursor.fetchone()
    return bool(is_down)
