"""Since when applications are in their stage, where Greenhouse tells it (v3's stage history).

An application itself does not tell it, so until the history was read `entered_stage_at` holds what
is inferred: when they applied, or the activity by which the stage was seen to change. Harvest v1
tells no history: there it stays inferred.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from django.db import connection as database

from integrations.ats.types import StageEntry
from portal.connections.models import Connection
from portal.mirror.upsert import Written

# The entry must be the application's present one: an older page tells of a stage it has left.
# Materialized: SQLite would take the page apart anew for each application of the connection.
_UPDATE = """
    WITH told AS MATERIALIZED ({told})
    UPDATE mirror_application AS here SET entered_stage_at = told.entered_at
    FROM told
    WHERE here.connection_id = %s AND here.remote_id = told.application
        AND here.stage_entry_id = told.entry AND here.entered_stage_at {differs} told.entered_at
    RETURNING stage_entry_id
"""
_SQL = {
    "postgresql": _UPDATE.format(
        told="SELECT * FROM json_to_recordset(%s::json)"
        " AS rows(entry bigint, application bigint, entered_at timestamptz)",
        differs="IS DISTINCT FROM",
    ),
    # As Django writes moments in SQLite: a blank instead of the T, no zone.
    "sqlite": _UPDATE.format(
        told="SELECT json_extract(value, '$.entry') AS entry,"
        " json_extract(value, '$.application') AS application,"
        " replace(replace(json_extract(value, '$.entered_at'), 'T', ' '), 'Z', '') AS entered_at"
        " FROM json_each(%s)",
        differs="IS NOT",
    ),
}


def write(connection: Connection, page: Sequence[StageEntry]) -> Written:
    """Note when applications entered their present stage. What was only partially recorded
    (documented: no `entered_at`) is left as it is.
    """
    told = [
        {"entry": one.id, "application": one.application_id, "entered_at": one.entered_at}
        for one in page
        if one.current and one.entered_at is not None
    ]
    if not told:
        return Written()
    document = msgspec.json.encode(told).decode()
    with database.cursor() as cursor:
        cursor.execute(_SQL[database.vendor], [document, connection.pk])
        changed = tuple(entry for (entry,) in cursor.fetchall())
    return Written(told=len(told), changed=changed)
