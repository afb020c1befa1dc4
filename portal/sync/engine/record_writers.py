"""Write pages of Greenhouse records into the sync tables.

Records without a required parent are skipped; an optional parent is left empty until it arrives.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from django.db import transaction
from django.utils import timezone

from integrations.ats import types as ats
from portal.connections.models import Connection
from portal.sync.engine.upsert import ParentRef, UpsertTable, WriteResult, get_request_time
from portal.sync.integrity import write_guard
from portal.sync.models import (
    Application,
    AtsRole,
    AtsUser,
    Candidate,
    CloseReason,
    CustomField,
    Department,
    EmailTemplate,
    Job,
    JobGrant,
    JobPost,
    Office,
    Opening,
    RejectionReason,
    Source,
    Stage,
    SyncedRecord,
)
from portal.sync.records import candidate_erasure, hiring_team
from portal.sync.records.hiring_team import normalize_address

ROLE_TABLE = UpsertTable(AtsRole, ("name", "type"))
USER_TABLE = UpsertTable(AtsUser, ("name", "primary_email", "site_admin", "deactivated"))
DEPARTMENT_TABLE = UpsertTable(Department, ("name", "parent_remote_id"))
OFFICE_TABLE = UpsertTable(Office, ("name", "location", "parent_remote_id"))
CLOSE_REASON_TABLE = UpsertTable(CloseReason, ("name",))
REJECTION_REASON_TABLE = UpsertTable(RejectionReason, ("name", "type_name"))
SOURCE_TABLE = UpsertTable(Source, ("name",))
EMAIL_TEMPLATE_TABLE = UpsertTable(EmailTemplate, ("name", "type"))
CUSTOM_FIELD_TABLE = UpsertTable(
    CustomField,
    ("key", "name", "type", "description", "order", "required", "private", "active", "options"),
)
JOB_TABLE = UpsertTable(
    Job,
    (
        "name",
        "status",
        "requisition_id",
        "confidential",
        "opened_at",
        "closed_at",
        "created_remotely_at",
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
    Stage, ("name", "order", "active"), parents={"job": ParentRef(Job, needed=True)}
)
OPENING_TABLE = UpsertTable(
    Opening,
    ("opening_id", "is_open", "opened_at", "closed_at"),
    parents={"job": ParentRef(Job, needed=True), "close_reason": ParentRef(CloseReason)},
)
POST_TABLE = UpsertTable(
    JobPost,
    ("title", "live", "internal", "active", "public_url", "content"),
    parents={"job": ParentRef(Job, needed=True)},
)
CANDIDATE_TABLE = UpsertTable(
    Candidate,
    ("first_name", "last_name", "company", "title", "private"),
    # A candidate who loses both names was anonymized in Greenhouse.
    on_update={
        "erased_at": "CASE WHEN excluded.first_name <> '' OR excluded.last_name <> '' THEN NULL"
        " WHEN existing.first_name <> '' OR existing.last_name <> '' THEN excluded.changed_at"
        " ELSE existing.erased_at END"
    },
    # Other details of a candidate without a name are not stored [inferred].
    overrides={
        name: "CASE WHEN incoming.first_name = '' AND incoming.last_name = ''"
        f" THEN '' ELSE incoming.{name} END"
        for name in ("company", "title")
    },
)
_IS_NAMELESS_SQL = "\"candidate\".first_name = '' AND \"candidate\".last_name = ''"
# Without a stage id (v3, when stages may not be read), the stage entry's id is compared.
_IS_SAME_STAGE_SQL = (
    "existing.stage_remote_id = excluded.stage_remote_id"
    " OR COALESCE(existing.stage_remote_id, excluded.stage_remote_id) IS NULL"
    " AND COALESCE(existing.stage_entry_id, excluded.stage_entry_id) IS NULL"
    " OR (existing.stage_remote_id IS NULL OR excluded.stage_remote_id IS NULL)"
    " AND existing.stage_entry_id = excluded.stage_entry_id"
)
APPLICATION_TABLE = UpsertTable(
    Application,
    (
        "stage_name",
        "stage_remote_id",
        "stage_entry_id",
        "status",
        "prospect",
        "rejection_reason_remote_id",
        "applied_at",
        "rejected_at",
        "last_activity_at",
        "source_name",
        "answers",
        "custom",
    ),
    parents={
        "job": ParentRef(Job),
        "candidate": ParentRef(Candidate),
        "stage": ParentRef(Stage),
        "source": ParentRef(Source),
        "recruiter": ParentRef(AtsUser),
        "coordinator": ParentRef(AtsUser),
    },
    # Inferred: an application in the first stage entered it on applying; a stage that changed
    # between two reads changed at the latest activity.
    on_insert={"entered_stage_at": 'CASE WHEN "stage"."order" = 0 THEN incoming.applied_at END'},
    on_update={
        "entered_stage_at": f"CASE WHEN {_IS_SAME_STAGE_SQL}"
        " THEN existing.entered_stage_at ELSE excluded.last_activity_at END",
        "previous_job_id": "CASE WHEN existing.job_id IS NULL OR existing.job_id = excluded.job_id"
        " THEN existing.previous_job_id ELSE existing.job_id END",
    },
    # A candidate without a name was anonymized or deleted: a late response or a stale list must
    # not restore what they wrote.
    overrides={
        "answers": f"CASE WHEN {_IS_NAMELESS_SQL} THEN '[]' ELSE incoming.answers END",
        "custom": f"CASE WHEN {_IS_NAMELESS_SQL} THEN '{{}}' ELSE incoming.custom END",
    },
)


def write_roles(connection: Connection, page: Sequence[ats.UserRole]) -> WriteResult:
    return ROLE_TABLE.write(
        connection, ({"remote_id": r.id, "name": r.name[:200], "type": r.type[:40]} for r in page)
    )


def write_users(connection: Connection, page: Sequence[ats.User]) -> WriteResult:
    written = USER_TABLE.write(
        connection,
        (
            {
                "remote_id": u.id,
                "name": u.name[:200],
                "primary_email": normalize_address(u.primary_email),
                "site_admin": u.site_admin,
                "deactivated": u.deactivated,
                "emails": u.emails,
            }
            for u in page
        ),
    )
    listed, written_ids = hiring_team.has_email_list(connection), {*written.written_ids}
    to_update = [u for u in page if u.id in written_ids or not listed]
    hiring_team.replace_user_emails(connection, to_update, listed=listed)
    return written


def write_departments(connection: Connection, page: Sequence[ats.Department]) -> WriteResult:
    return DEPARTMENT_TABLE.write(
        connection,
        ({"remote_id": d.id, "name": d.name[:300], "parent_remote_id": d.parent_id} for d in page),
    )


def write_offices(connection: Connection, page: Sequence[ats.Office]) -> WriteResult:
    return OFFICE_TABLE.write(
        connection,
        (
            {
                "remote_id": o.id,
                "name": o.name[:300],
                "location": (o.location or "")[:300],
                "parent_remote_id": o.parent_id,
            }
            for o in page
        ),
    )


def write_jobs(connection: Connection, page: Sequence[ats.Job]) -> WriteResult:
    """Write requisitions, not templates, with the team and openings that v1 includes."""
    requisitions = [j for j in page if not j.is_template]
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
                "name": j.name[:300],
                "status": j.status[:30],
                "requisition_id": (j.requisition_id or "")[:120],
                "confidential": j.confidential,
                "opened_at": j.opened_at,
                "closed_at": j.closed_at,
                "created_remotely_at": j.created_at,
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
    pks = _map_primary_keys(connection, Job, written_ids)
    _replace_job_offices(
        {pks[j.id]: [office_keys[o] for o in j.office_ids if o in office_keys] for j in changed}
    )
    hiring_team.replace_job_teams(
        connection, {j.id: j.hiring_team for j in changed if j.hiring_team is not None}
    )
    _replace_job_openings(connection, requisitions, {j.id for j in changed})
    return written


def _replace_job_offices(offices_of: dict[int, list[int]]) -> None:
    through = Job.offices.through
    through._default_manager.filter(job_id__in=offices_of).delete()
    through._default_manager.bulk_create(
        through(job_id=job, office_id=office)
        for job, office_ids in offices_of.items()
        for office in dict.fromkeys(office_ids)
    )


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
                "job": s.job_id,
                "name": s.name[:200],
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
                "job": p.job_id,
                "title": p.title[:300],
                "live": p.live,
                "internal": p.internal,
                "active": p.active,
                "public_url": (p.public_url or "")[:500],
                "content": p.content or "",
            }
            for p in page
        ),
    )


def write_close_reasons(connection: Connection, page: Sequence[ats.CloseReason]) -> WriteResult:
    return CLOSE_REASON_TABLE.write(
        connection, ({"remote_id": r.id, "name": r.name[:300]} for r in page)
    )


def write_rejection_reasons(
    connection: Connection, page: Sequence[ats.RejectionReason]
) -> WriteResult:
    return REJECTION_REASON_TABLE.write(
        connection,
        ({"remote_id": r.id, "name": r.name[:300], "type_name": r.type_name[:120]} for r in page),
    )


def write_sources(connection: Connection, page: Sequence[ats.Source]) -> WriteResult:
    return SOURCE_TABLE.write(connection, ({"remote_id": s.id, "name": s.name[:300]} for s in page))


def write_email_templates(connection: Connection, page: Sequence[ats.EmailTemplate]) -> WriteResult:
    return EMAIL_TEMPLATE_TABLE.write(
        connection, ({"remote_id": t.id, "name": t.name[:300], "type": t.type[:60]} for t in page)
    )


def write_custom_fields(connection: Connection, page: Sequence[ats.CustomField]) -> WriteResult:
    return CUSTOM_FIELD_TABLE.write(
        connection,
        (
            {
                "remote_id": f.id,
                "key": f.key[:255],
                "name": f.name[:300],
                "type": f.type[:40],
                "description": f.description,
                "order": f.order,
                "required": f.required,
                "private": f.private,
                "active": f.active,
                "options": [[option.id, option.name] for option in f.options],
            }
            for f in page
        ),
    )


def write_candidates(connection: Connection, page: Sequence[ats.Candidate]) -> WriteResult:
    written = CANDIDATE_TABLE.write(
        connection,
        (
            {
                "remote_id": c.id,
                "first_name": c.first_name[:200],
                "last_name": c.last_name[:200],
                "company": (c.company or "")[:200],
                "title": (c.title or "")[:300],
                "private": c.private,
            }
            for c in page
        ),
    )
    candidate_erasure.erase_anonymized_candidates(connection, written.changed)
    return written


def write_applications(connection: Connection, page: Sequence[ats.Application]) -> WriteResult:
    """Write applications, keeping only values of custom fields that are visible in the portal."""
    visible_keys: set[str] = set()
    if any(a.custom_fields for a in page):
        visible_keys.update(
            CustomField.objects.filter_visible(connection.pk).values_list("key", flat=True)
        )
    return APPLICATION_TABLE.write(
        connection,
        (
            {
                "remote_id": a.id,
                "job": a.job_id,
                "candidate": a.candidate_id,
                "stage": a.stage_id,
                "stage_name": (a.stage_name or "")[:200],
                "stage_remote_id": a.stage_id,
                "stage_entry_id": a.stage_entry_id,
                "status": a.status[:30],
                "prospect": a.prospect,
                "rejection_reason_remote_id": a.rejection_reason_id,
                "applied_at": a.applied_at,
                "rejected_at": a.rejected_at,
                "last_activity_at": a.last_activity_at,
                "source": a.source_id,
                "source_name": (a.source_name or "")[:300],
                "recruiter": a.recruiter_id,
                "coordinator": a.coordinator_id,
                "answers": a.answers,
                "custom": {
                    key: value
                    for key, value in a.custom_fields.items()
                    if key in visible_keys and value not in (None, "", [])
                },
            }
            for a in page
        ),
    )


@transaction.atomic
def mark_gone(connection: Connection, model: type[SyncedRecord], remote_ids: Sequence[int]) -> int:
    """Mark records that Greenhouse no longer has as gone, and return how many there were."""
    # Rows of revoked grants stay, so that an older page does not restore the access.
    if not remote_ids or not write_guard.is_write_allowed(connection):
        return 0
    gone_count, now = 0, timezone.now()
    for start in range(0, len(remote_ids), 500):
        chunk = remote_ids[start : start + 500]
        rows = model._default_manager.filter(
            connection=connection, remote_id__in=chunk, gone_at=None
        )
        if model is Candidate:
            gone_count += candidate_erasure.mark_candidates_gone(connection, chunk)
        else:
            gone_count += rows.update(gone_at=now, changed_at=now, requested_at=get_request_time())
    return gone_count


def _map_primary_keys(
    connection: Connection, model: type[SyncedRecord], remote_ids: Iterable[int]
) -> dict[int, int]:
    wanted = {*remote_ids}
    if not wanted:
        return {}
    rows: Any = model._default_manager.filter(connection=connection, remote_id__in=wanted)
    return dict(rows.values_list("remote_id", "pk"))
