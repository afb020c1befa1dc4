"""Writing pages of Greenhouse's records into the mirror.

Each writer takes the connection and a page's records and gives back what became of them. A child
whose parent we do not hold is left out (a grant or stage of a template) or kept without it (an
application of an unknown candidate) until the parent comes.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from django.db import transaction
from django.utils import timezone

from integrations.ats import types as ats
from portal.connections.models import Connection
from portal.mirror import guard, people, team
from portal.mirror.models import (
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
    Mirrored,
    Office,
    Opening,
    RejectionReason,
    Source,
    Stage,
)
from portal.mirror.team import folded as folded
from portal.mirror.upsert import Parent, Table, Written, asking

ROLES = Table(AtsRole, ("name", "type"))
USERS = Table(AtsUser, ("name", "primary_email", "site_admin", "deactivated"))
DEPARTMENTS = Table(Department, ("name", "parent_remote_id"))
OFFICES = Table(Office, ("name", "location", "parent_remote_id"))
CLOSE_REASONS = Table(CloseReason, ("name",))
REJECTION_REASONS = Table(RejectionReason, ("name", "type_name"))
SOURCES = Table(Source, ("name",))
EMAIL_TEMPLATES = Table(EmailTemplate, ("name", "type"))
CUSTOM_FIELDS = Table(
    CustomField,
    ("key", "name", "type", "description", "order", "required", "private", "active", "options"),
)
JOBS = Table(
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
    parents={"department": Parent(Department)},
)
GRANTS = Table(
    JobGrant,
    ("role_remote_id", "job_admin"),
    # Taken back and granted anew under the same id: it is a right from now on.
    moved={
        "first_seen_at": "CASE WHEN here.gone_at IS NULL THEN here.first_seen_at"
        " ELSE excluded.changed_at END"
    },
    parents={"job": Parent(Job, needed=True), "user": Parent(AtsUser, needed=True)},
)
STAGES = Table(Stage, ("name", "order", "active"), parents={"job": Parent(Job, needed=True)})
OPENINGS = Table(
    Opening,
    ("opening_id", "is_open", "opened_at", "closed_at"),
    parents={"job": Parent(Job, needed=True), "close_reason": Parent(CloseReason)},
)
POSTS = Table(
    JobPost,
    ("title", "live", "internal", "active", "public_url", "content"),
    parents={"job": Parent(Job, needed=True)},
)
CANDIDATES = Table(
    Candidate,
    ("first_name", "last_name", "company", "title", "private"),
    # Who loses both names was anonymised in Greenhouse.
    moved={
        "erased_at": "CASE WHEN excluded.first_name <> '' OR excluded.last_name <> '' THEN NULL"
        " WHEN here.first_name <> '' OR here.last_name <> '' THEN excluded.changed_at"
        " ELSE here.erased_at END"
    },
    # What else Greenhouse may still tell of somebody without a name is not kept [inferred].
    instead={
        name: f"CASE WHEN told.first_name = '' AND told.last_name = '' THEN '' ELSE told.{name} END"
        for name in ("company", "title")
    },
)
_NAMELESS = "\"candidate\".first_name = '' AND \"candidate\".last_name = ''"
# Where the stage's own id is not told (v3, when it may not be looked up), that of the entry tells.
_SAME_STAGE = (
    "here.stage_remote_id = excluded.stage_remote_id"
    " OR COALESCE(here.stage_remote_id, excluded.stage_remote_id) IS NULL"
    " AND COALESCE(here.stage_entry_id, excluded.stage_entry_id) IS NULL"
    " OR (here.stage_remote_id IS NULL OR excluded.stage_remote_id IS NULL)"
    " AND here.stage_entry_id = excluded.stage_entry_id"
)
APPLICATIONS = Table(
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
        "job": Parent(Job),
        "candidate": Parent(Candidate),
        "stage": Parent(Stage),
        "source": Parent(Source),
        "recruiter": Parent(AtsUser),
        "coordinator": Parent(AtsUser),
    },
    # Inferred: who is in the first stage is there since they applied; a stage that changed between
    # two readings changed at the latest activity.
    born={"entered_stage_at": 'CASE WHEN "stage"."order" = 0 THEN told.applied_at END'},
    moved={
        "entered_stage_at": f"CASE WHEN {_SAME_STAGE}"
        " THEN here.entered_stage_at ELSE excluded.last_activity_at END",
        "left_job": "CASE WHEN here.job_id IS NULL OR here.job_id = excluded.job_id"
        " THEN here.left_job ELSE here.job_id END",
    },
    # Whoever lost their name was anonymised or deleted: an answer that was long under way, or a
    # list that still tells them, does not bring back what they wrote.
    instead={
        "answers": f"CASE WHEN {_NAMELESS} THEN '[]' ELSE told.answers END",
        "custom": f"CASE WHEN {_NAMELESS} THEN '{{}}' ELSE told.custom END",
    },
)


def roles(connection: Connection, page: Sequence[ats.UserRole]) -> Written:
    return ROLES.write(
        connection, ({"remote_id": r.id, "name": r.name[:200], "type": r.type[:40]} for r in page)
    )


def users(connection: Connection, page: Sequence[ats.User]) -> Written:
    written = USERS.write(
        connection,
        (
            {
                "remote_id": u.id,
                "name": u.name[:200],
                "primary_email": folded(u.primary_email),
                "site_admin": u.site_admin,
                "deactivated": u.deactivated,
                "emails": u.emails,
            }
            for u in page
        ),
    )
    listed, touched = team.are_listed(connection), {*written.touched}
    theirs = [u for u in page if u.id in touched or not listed]
    team.addresses(connection, theirs, listed=listed)
    return written


def departments(connection: Connection, page: Sequence[ats.Department]) -> Written:
    return DEPARTMENTS.write(
        connection,
        ({"remote_id": d.id, "name": d.name[:300], "parent_remote_id": d.parent_id} for d in page),
    )


def offices(connection: Connection, page: Sequence[ats.Office]) -> Written:
    return OFFICES.write(
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


def jobs(connection: Connection, page: Sequence[ats.Job]) -> Written:
    """Requisitions; templates are none. What a job carries in itself (v1) comes along."""
    real = [j for j in page if not j.is_template]
    places = _keys(connection, Office, (o for j in real for o in j.office_ids))
    staff = _keys(connection, AtsUser, (m.user_id for j in real for m in j.hiring_team or ()))
    written = JOBS.write(
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
                # What hangs on the job and is known here: a change of it is one of the job.
                "offices": sorted(o for o in j.office_ids if o in places),
                "team": sorted(
                    (m.role, m.user_id) for m in j.hiring_team or () if m.user_id in staff
                ),
                "openings": sorted(o.id for o in j.openings or ()),
            }
            for j in real
        ),
    )
    touched = {*written.touched}
    changed = [j for j in real if j.id in touched]
    pks = _keys(connection, Job, touched)
    _offices_of_jobs({pks[j.id]: [places[o] for o in j.office_ids if o in places] for j in changed})
    team.of_jobs(connection, {j.id: j.hiring_team for j in changed if j.hiring_team is not None})
    _openings_of_jobs(connection, real, {j.id for j in changed})
    return written


def _offices_of_jobs(offices_of: dict[int, list[int]]) -> None:
    """Make the offices of these jobs exactly these."""
    place = Job.offices.through
    place._default_manager.filter(job_id__in=offices_of).delete()
    place._default_manager.bulk_create(
        place(job_id=job, office_id=office)
        for job, those in offices_of.items()
        for office in dict.fromkeys(those)
    )


def _openings_of_jobs(connection: Connection, page: Sequence[ats.Job], changed: set[int]) -> None:
    carried = [j for j in page if j.openings is not None]
    if not carried:
        return
    openings(connection, [o for j in carried for o in j.openings or ()])
    kept = {o.id for j in carried for o in j.openings or ()}
    here = Opening.objects.filter(
        connection=connection,
        gone_at=None,
        job__remote_id__in=[j.id for j in carried if j.id in changed],
    )
    lost = [one for one in here.values_list("remote_id", flat=True) if one not in kept]
    mark_gone(connection, Opening, lost)


def grants(connection: Connection, page: Sequence[ats.JobGrant]) -> Written:
    types = dict(
        AtsRole.objects.filter(connection=connection, gone_at=None).values_list("remote_id", "type")
    )
    credential = connection.credential
    # Harvest v3 lists grants of Job Admin roles only; v1 lists interviewers' too, so there an
    # unknown role gives nothing.
    unknown = "job_admin" if credential and credential.kind != "harvest_key" else ""
    return GRANTS.write(
        connection,
        (
            {
                "remote_id": g.id,
                "job": g.job_id,
                "user": g.user_id,
                "role_remote_id": g.role_id,
                "job_admin": types.get(g.role_id or 0, unknown) == "job_admin",
            }
            for g in page
        ),
    )


def stages(connection: Connection, page: Sequence[ats.Stage]) -> Written:
    return STAGES.write(
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


def openings(connection: Connection, page: Sequence[ats.Opening]) -> Written:
    return OPENINGS.write(
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


def posts(connection: Connection, page: Sequence[ats.JobPost]) -> Written:
    """Posts of jobs; one for prospects belongs to none."""
    return POSTS.write(
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


def close_reasons(connection: Connection, page: Sequence[ats.CloseReason]) -> Written:
    return CLOSE_REASONS.write(
        connection, ({"remote_id": r.id, "name": r.name[:300]} for r in page)
    )


def rejection_reasons(connection: Connection, page: Sequence[ats.RejectionReason]) -> Written:
    return REJECTION_REASONS.write(
        connection,
        ({"remote_id": r.id, "name": r.name[:300], "type_name": r.type_name[:120]} for r in page),
    )


def sources(connection: Connection, page: Sequence[ats.Source]) -> Written:
    return SOURCES.write(connection, ({"remote_id": s.id, "name": s.name[:300]} for s in page))


def email_templates(connection: Connection, page: Sequence[ats.EmailTemplate]) -> Written:
    return EMAIL_TEMPLATES.write(
        connection, ({"remote_id": t.id, "name": t.name[:300], "type": t.type[:60]} for t in page)
    )


def custom_fields(connection: Connection, page: Sequence[ats.CustomField]) -> Written:
    return CUSTOM_FIELDS.write(
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
                "options": [[one.id, one.name] for one in f.options],
            }
            for f in page
        ),
    )


def candidates(connection: Connection, page: Sequence[ats.Candidate]) -> Written:
    written = CANDIDATES.write(
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
    people.anonymised(connection, written.changed)
    return written


def applications(connection: Connection, page: Sequence[ats.Application]) -> Written:
    """Of custom fields only what the pages show is kept: no private one, none of unknown ones."""
    shown: set[str] = set()
    if any(a.custom_fields for a in page):
        shown.update(CustomField.objects.shown(connection.pk).values_list("key", flat=True))
    return APPLICATIONS.write(
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
                    if key in shown and value not in (None, "", [])
                },
            }
            for a in page
        ),
    )


@transaction.atomic
def mark_gone(connection: Connection, model: type[Mirrored], remote_ids: Sequence[int]) -> int:
    """Greenhouse answered that it does not have these. A lost grant opens nothing from here on; its
    row stays for a while, so that an older page does not bring it back. Of a lost candidate nothing
    personal stays (`people.leave`).
    """
    if not remote_ids or not guard.allows(connection):
        return 0
    gone, now = 0, timezone.now()
    for start in range(0, len(remote_ids), 500):
        chunk = remote_ids[start : start + 500]
        rows = model._default_manager.filter(
            connection=connection, remote_id__in=chunk, gone_at=None
        )
        if model is Candidate:
            gone += people.leave(connection, chunk)
        else:
            gone += rows.update(gone_at=now, changed_at=now, asked_at=asking())
    return gone


def _keys(
    connection: Connection, model: type[Mirrored], remote_ids: Iterable[int]
) -> dict[int, int]:
    """Our keys by Greenhouse's ids, of those that are here."""
    wanted = {*remote_ids}
    if not wanted:
        return {}
    rows: Any = model._default_manager.filter(connection=connection, remote_id__in=wanted)
    return dict(rows.values_list("remote_id", "pk"))
