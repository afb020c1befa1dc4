"""When applications entered their current stage, from Harvest v3's stage history."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from django.db import connection as database

from integrations.ats.types import StageEntry
from portal.connections.models import Connection
from portal.core.database.prepared_statements import send_values_apart
from portal.sync.engine.upsert import WriteResult

# Harvest v1 has no stage history: there, and until it was read, `entered_stage_at` is inferred.
# Only the application's current entry counts: an older page may hold one of a stage it has left.
# Materialized: otherwise SQLite parses the page again for every application of the connection.
_UPDATE_SQL = """
    WITH incoming AS MATERIALIZED ({incoming})
    UPDATE sync_application AS existing SET entered_stage_at = incoming.entered_at,
        decision_needed_at = CASE WHEN {is_inferred} THEN incoming.entered_at
            ELSE existing.decision_needed_at END
    FROM incoming
    WHERE existing.connection_id = %s AND existing.remote_id = incoming.application
        AND existing.stage_entry_id = incoming.entry
        AND (existing.entered_stage_at {is_distinct} incoming.entered_at
            OR {is_inferred} AND existing.decision_needed_at IS NULL)
    RETURNING stage_entry_id
"""
# The clock to an answer starts with the stage, unless a later start was noticed.
_IS_INFERRED_SQL = (
    "existing.status = 'active' AND existing.needs_decision AND COALESCE("
    "existing.decision_needed_at = existing.entered_stage_at, existing.decision_needed_at IS NULL)"
)
_SQL_BY_VENDOR = {
    "postgresql": _UPDATE_SQL.format(
        incoming="SELECT * FROM json_to_recordset(%s::json)"
        " AS rows(entry bigint, application bigint, entered_at timestamptz)",
        is_distinct="IS DISTINCT FROM",
        is_inferred=_IS_INFERRED_SQL,
    ),
    # Django stores datetimes in SQLite with a space instead of the T and without a zone.
    "sqlite": _UPDATE_SQL.format(
        incoming="SELECT json_extract(value, '$.entry') AS entry,"
        " json_extract(value, '$.application') AS application,"
        " replace(replace(json_extract(value, '$.entered_at'), 'T', ' '), 'Z', '') AS entered_at"
        " FROM json_each(%s)",
        is_distinct="IS NOT",
        is_inferred=_IS_INFERRED_SQL,
    ),
}


def write_stage_entries(connection: Connection, page: Sequence[StageEntry]) -> WriteResult:
    """Store stage entries; partially recorded ones (documented: no `entered_at`) are skipped."""
    entries = [
        {
            "entry": stage_entry.id,
            "application": stage_entry.application_id,
            "entered_at": stage_entry.entered_at,
        }
        for stage_entry in page
        if stage_entry.current and stage_entry.entered_at is not None
    ]
    if not entries:
        return WriteResult()
    document = msgspec.json.encode(entries).decode()
    with send_values_apart(), database.cursor() as cursor:
        cursor.execute(_SQL_BY_VENDOR[database.vendor], [document, connection.pk])
        changed = tuple(entry for (entry,) in cursor.fetchall())
    return WriteResult(record_count=len(entries), changed=changed)
