"""Write pages of jobs and what belongs to them: stages, openings, posts and grants.

Records without a required parent are skipped; an optional parent is left empty until it arrives.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
from django.db import connection as database

from integrations.ats import types as ats
from portal.connections.models import Connection
from portal.core.names.search_keys import build_search_key
from portal.core.names.text import clean_title
from portal.sync.engine.upsert import ParentRef, UpsertTable, WriteResult
from portal.sync.models import (
    AtsRole,
    AtsUser,
    CloseReason,
    Department,
    Job,
    JobGrant,
    JobPost,
    Office,
    Opening,
    Stage,
    SyncedRecord,
)
from portal.sync.records import hiring_team
from portal.sync.writers.gone_records import mark_gone

JOB_TABLE = UpsertTable(
    Job,
    (
        "name",
        "search_name",
        "status",
        "requisition_id",
        "confidential",
        "is_template",
        "opened_at",
        "closed_at",
    ),
    parents={"department": ParentRef(Department)},
)
GRANT_TABLE = UpsertTable(
    JobGrant,
    ("role_remote_id", "job_admin"),
    # A grant revoked and granted again under the same id counts from the second time.
    on_update={
        "first_seen_at": "CASE WHEN existing.gone_at IS NULL THEN existing.first_seen_at"
        " ELSE excluded.changed_at END"
    },
    parents={"job": ParentRef(Job, needed=True), "user": ParentRef(AtsUser, needed=True)},
)
STAGE_TABLE = UpsertTable(
    Stage,
    ("name", "order", "active"),
    parents={"job": ParentRef(Job, needed=True)},
    compares_source=True,
)
OPENING_TABLE = UpsertTable(
    Opening,
    ("opening_id", "is_open", "opened_at", "closed_at"),
    parents={"job": ParentRef(Job, needed=True), "close_reason": ParentRef(CloseReason)},
    compares_source=True,
)
POST_TABLE = UpsertTable(
    JobPost,
    ("title", "live", "internal", "active", "public_url", "content"),
    parents={"job": ParentRef(Job, needed=True)},
    compares_source=True,
)


_INSERT_JOB_OFFICES_SQL = {
    vendor: f"""
        INSERT INTO {Job.offices.through._meta.db_table} (job_id, office_id)
        SELECT job.id, office.id FROM ({incoming}) incoming
        JOIN {Job._meta.db_table} job
            ON job.connection_id = %s AND job.remote_id = incoming.job
        JOIN {Office._meta.db_table} office
            ON office.connection_id = %s AND office.remote_id = incoming.office
        WHERE TRUE
        ON CONFLICT DO NOTHING
    """  # noqa: S608  # our own tables
    for vendor, incoming in (
        (
            "postgresql",
            "SELECT * FROM json_to_recordset(%s::json) AS rows(job bigint, office bigint)",
        ),
        (
            "sqlite",
            "SELECT json_extract(value, '$.job') AS job,"
            " json_extract(value, '$.office') AS office FROM json_each(%s)",
        ),
    )
}


def write_jobs(connection: Connection, page: Sequence[ats.Job]) -> WriteResult:
    """Write requisitions, not draft templates, with the team and openings that v1 includes."""
    requisitions = [j for j in page if j.is_requisition]
    office_keys = _map_primary_keys(
        connection, Office, (o for j in requisitions for o in j.office_ids)
    )
    user_keys = _map_primary_keys(
        connection, AtsUser, (m.user_id for j in requisitions for m in j.hiring_team or ())
    )
    written = JOB_TABLE.write(
        connection,
        (
            {
                "remote_id": j.id,
                "name": clean_title(j.name, j.id)[:300],
                "search_name": build_search_key(j.name),
                "status": j.status[:30],
                "requisition_id": (j.requisition_id or "")[:120],
                "confidential": j.confidential,
                "is_template": j.is_template,
                "opened_at": j.opened_at,
                "closed_at": j.closed_at,
                "department": next(iter(j.department_ids), None),
                # Not columns: a change of these related records counts as a change of the job.
                "offices": sorted(o for o in j.office_ids if o in office_keys),
                "team": sorted(
                    (m.role, m.user_id) for m in j.hiring_team or () if m.user_id in user_keys
                ),
                "openings": sorted(o.id for o in j.openings or ()),
            }
            for j in requisitions
        ),
    )
    written_ids = {*written.written_ids}
    changed = [j for j in requisitions if j.id in written_ids]
    if written.changed:  # new jobs have none yet
        _delete_job_offices(connection, written.changed)
    _insert_job_offices(connection, changed)
    hiring_team.replace_job_teams(
        connection, {j.id: j.hiring_team for j in changed if j.hiring_team is not None}
    )
    _replace_job_openings(connection, requisitions, {j.id for j in changed})
    return written


def _delete_job_offices(connection: Connection, job_ids: Sequence[int]) -> None:
    jobs = Job.objects.filter(connection=connection, remote_id__in=job_ids)
    Job.offices.through._default_manager.filter(job__in=jobs).delete()


def _insert_job_offices(connection: Connection, jobs: Sequence[ats.Job]) -> None:
    pairs = [{"job": j.id, "office": office_id} for j in jobs for office_id in {*j.office_ids}]
    if not pairs:
        return
    document = msgspec.json.encode(pairs).decode()
    with database.cursor() as cursor:
        statement = _INSERT_JOB_OFFICES_SQL[database.vendor]
        cursor.execute(statement, [document, connection.pk, connection.pk])


def _replace_job_openings(
    connection: Connection, page: Sequence[ats.Job], changed: set[int]
) -> None:
    with_openings = [j for j in page if j.openings is not None]
    if not with_openings:
        return
    write_openings(connection, [o for j in with_openings for o in j.openings or ()])
    listed_ids = {o.id for j in with_openings for o in j.openings or ()}
    existing = Opening.objects.filter(
        connection=connection,
        gone_at=None,
        job__remote_id__in=[j.id for j in with_openings if j.id in changed],
    )
    missing_ids = [
        opening_id
        for opening_id in existing.values_list("remote_id", flat=True)
        if opening_id not in listed_ids
    ]
    mark_gone(connection, Opening, missing_ids)


def write_job_grants(connection: Connection, page: Sequence[ats.JobGrant]) -> WriteResult:
    types = dict(
        AtsRole.objects.filter(connection=connection, gone_at=None).values_list("remote_id", "type")
    )
    credential = connection.credential
    # Harvest v3 only lists grants of Job Admin roles; v1 also lists interviewers', so there a grant
    # with an unknown role gives no access.
    default_type = "job_admin" if credential and credential.kind != "harvest_key" else ""
    return GRANT_TABLE.write(
        connection,
        (
            {
                "remote_id": g.id,
                "job": g.job_id,
                "user": g.user_id,
                "role_remote_id": g.role_id,
                "job_admin": types.get(g.role_id or 0, default_type) == "job_admin",
            }
            for g in page
        ),
    )


def write_stages(connection: Connection, page: Sequence[ats.Stage]) -> WriteResult:
    return STAGE_TABLE.write(
        connection,
        (
            {
                "remote_id": s.id,
                "source_fingerprint": s.fingerprint,
                "job": s.job_id,
                "name": clean_title(s.name, s.id)[:200],
                "order": s.order,
                "active": s.active,
            }
            for s in page
        ),
    )


def write_openings(connection: Connection, page: Sequence[ats.Opening]) -> WriteResult:
    return OPENING_TABLE.write(
        connection,
        (
            {
                "remote_id": o.id,
                "source_fingerprint": o.fingerprint,
                "job": o.job_id,
                "opening_id": (o.opening_id or "")[:120],
                "is_open": o.is_open,
                "opened_at": o.opened_at,
                "closed_at": o.closed_at,
                "close_reason": o.close_reason_id,
            }
            for o in page
        ),
    )


def write_job_posts(connection: Connection, page: Sequence[ats.JobPost]) -> WriteResult:
    """Write posts of jobs; posts for prospects have no job and are skipped."""
    return POST_TABLE.write(
        connection,
        (
            {
                "remote_id": p.id,
                "source_fingerprint": p.fingerprint,
                "job": p.job_id,
                "title": clean_title(p.title, p.id)[:300],
                "live": p.live,
                "internal": p.internal,
                "active": p.active,
                "public_url": (p.public_url or "")[:500],
                "content": p.content or "",
            }
            for p in page
        ),
    )


def _map_primary_keys(
    connection: Connection, model: type[SyncedRecord], remote_ids: Iterable[int]
) -> dict[int, int]:
    wanted = {*remote_ids}
    if not wanted:
        return {}
    rows: Any = model._default_manager.filter(connection=connection, remote_id__in=wanted)
    return dict(rows.values_list("remote_id", "pk"))
