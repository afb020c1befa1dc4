"""Writing pages of Greenhouse's records into the mirror: one upsert a page.

Each writer takes the connection and a page's records and gives back how many were new. Parents
are looked up once a page; a child whose parent we do not hold is left out (a grant or stage of a
template) or kept without it (an application of an unknown candidate).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from django.db import models
from django.utils import timezone

from integrations.ats import types as ats
from portal.connections.models import Connection
from portal.mirror.models import (
    Application,
    AtsRole,
    AtsUser,
    AtsUserEmail,
    Candidate,
    CloseReason,
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
    TeamMember,
)


def roles(connection: Connection, page: Sequence[ats.UserRole]) -> int:
    return _upsert(
        connection,
        AtsRole,
        (AtsRole(remote_id=r.id, name=r.name[:200], type=r.type[:40]) for r in page),
    )


def departments(connection: Connection, page: Sequence[ats.Department]) -> int:
    return _upsert(
        connection,
        Department,
        (Department(remote_id=d.id, name=d.name[:300], parent_remote_id=d.parent_id) for d in page),
    )


def offices(connection: Connection, page: Sequence[ats.Office]) -> int:
    return _upsert(
        connection,
        Office,
        (
            Office(
                remote_id=o.id,
                name=o.name[:300],
                location=(o.location or "")[:300],
                parent_remote_id=o.parent_id,
            )
            for o in page
        ),
    )


def users(connection: Connection, page: Sequence[ats.User]) -> int:
    new = _upsert(
        connection,
        AtsUser,
        (
            AtsUser(
                remote_id=u.id,
                name=u.name[:200],
                primary_email=folded(u.primary_email),
                site_admin=u.site_admin,
                deactivated=u.deactivated,
            )
            for u in page
        ),
    )
    pks = _pks(connection, AtsUser, (u.id for u in page))
    _addresses(
        {
            pks[u.id]: {folded(a): None for a in (u.primary_email, *u.emails) if folded(a)}
            for u in page
        },
        primaries={pks[u.id]: folded(u.primary_email) for u in page},
    )
    return new


def user_emails(connection: Connection, page: Sequence[ats.UserEmail]) -> int:
    """Addresses told apart by their verification; adds to what the users themselves carry."""
    pks = _pks(connection, AtsUser, (e.user_id for e in page))
    known = [e for e in page if e.user_id in pks and folded(e.address)]
    AtsUserEmail.objects.bulk_create(
        (
            AtsUserEmail(user_id=pks[e.user_id], address=folded(e.address), verified=e.verified)
            for e in known
        ),
        update_conflicts=True,
        unique_fields=["user", "address"],
        update_fields=["verified"],
    )
    return 0


def _addresses(by_user: dict[int, dict[str, None]], *, primaries: dict[int, str]) -> None:
    """Make each user's addresses exactly these; what was verified stays known as such."""
    present = AtsUserEmail.objects.filter(user_id__in=by_user)
    gone = [e.pk for e in present if e.address not in by_user[e.user_id] and e.verified is None]
    AtsUserEmail.objects.filter(pk__in=gone).delete()
    AtsUserEmail.objects.bulk_create(
        (
            AtsUserEmail(user_id=user, address=address, primary=address == primaries[user])
            for user, addresses in by_user.items()
            for address in addresses
        ),
        update_conflicts=True,
        unique_fields=["user", "address"],
        update_fields=["primary"],
    )


def jobs(connection: Connection, page: Sequence[ats.Job]) -> int:
    """Requisitions; templates are none. Hiring teams come along where jobs carry them (v1)."""
    real = [j for j in page if not j.is_template]
    places = _pks(connection, Department, (d for j in real for d in j.department_ids[:1]))
    new = _upsert(
        connection,
        Job,
        (
            Job(
                remote_id=j.id,
                name=j.name[:300],
                status=j.status[:30],
                requisition_id=(j.requisition_id or "")[:120],
                confidential=j.confidential,
                opened_at=j.opened_at,
                closed_at=j.closed_at,
                created_remotely_at=j.created_at,
                department_id=places.get(j.department_ids[0]) if j.department_ids else None,
            )
            for j in real
        ),
    )
    pks = _pks(connection, Job, (j.id for j in real))
    _offices_of_jobs(connection, {pks[j.id]: j.office_ids for j in real})
    carried = {j.id: j.hiring_team for j in real if j.hiring_team is not None}
    if carried:
        TeamMember.objects.filter(job_id__in=[pks[remote_id] for remote_id in carried]).delete()
        team(connection, [m for members in carried.values() for m in members])
    openings(connection, [o for j in real for o in j.openings or ()])
    return new


def _offices_of_jobs(connection: Connection, offices_of: dict[int, tuple[int, ...]]) -> None:
    """Make the offices of these jobs exactly these."""
    known = _pks(connection, Office, (o for offices_ in offices_of.values() for o in offices_))
    place = Job.offices.through
    place._default_manager.filter(job_id__in=offices_of).delete()
    place._default_manager.bulk_create(
        place(job_id=job, office_id=known[office])
        for job, offices_ in offices_of.items()
        for office in offices_
        if office in known
    )


def openings(connection: Connection, page: Sequence[ats.Opening]) -> int:
    jobs_ = _pks(connection, Job, (o.job_id for o in page))
    reasons = _pks(connection, CloseReason, (o.close_reason_id for o in page))
    return _upsert(
        connection,
        Opening,
        (
            Opening(
                remote_id=o.id,
                job_id=jobs_[o.job_id],
                opening_id=(o.opening_id or "")[:120],
                is_open=o.is_open,
                opened_at=o.opened_at,
                closed_at=o.closed_at,
                close_reason_id=reasons.get(o.close_reason_id),
            )
            for o in page
            if o.job_id in jobs_
        ),
    )


def posts(connection: Connection, page: Sequence[ats.JobPost]) -> int:
    """Posts of jobs; one for prospects belongs to none."""
    jobs_ = _pks(connection, Job, (p.job_id for p in page))
    return _upsert(
        connection,
        JobPost,
        (
            JobPost(
                remote_id=p.id,
                job_id=jobs_[p.job_id],
                title=p.title[:300],
                live=p.live,
                internal=p.internal,
                active=p.active,
                public_url=(p.public_url or "")[:500],
                content=p.content or "",
            )
            for p in page
            if p.job_id in jobs_
        ),
    )


def team(connection: Connection, page: Sequence[ats.TeamMember]) -> int:
    jobs_, users_ = (
        _pks(connection, Job, (m.job_id for m in page)),
        _pks(connection, AtsUser, (m.user_id for m in page)),
    )
    TeamMember.objects.bulk_create(
        (
            TeamMember(job_id=jobs_[m.job_id], user_id=users_[m.user_id], role=m.role[:30])
            for m in page
            if m.job_id in jobs_ and m.user_id in users_
        ),
        ignore_conflicts=True,
    )
    return 0


def grants(connection: Connection, page: Sequence[ats.JobGrant]) -> int:
    jobs_, users_ = (
        _pks(connection, Job, (g.job_id for g in page)),
        _pks(connection, AtsUser, (g.user_id for g in page)),
    )
    types = dict(
        AtsRole.objects.filter(connection=connection, gone_at=None).values_list("remote_id", "type")
    )
    credential = connection.credential
    # Harvest v3 lists grants of Job Admin roles only; v1 lists interviewers' too, so there an
    # unknown role gives nothing.
    unknown = "job_admin" if credential and credential.kind == "harvest_oauth" else ""
    return _upsert(
        connection,
        JobGrant,
        (
            JobGrant(
                remote_id=g.id,
                job_id=jobs_[g.job_id],
                user_id=users_[g.user_id],
                role_remote_id=g.role_id,
                job_admin=types.get(g.role_id or 0, unknown) == "job_admin",
            )
            for g in page
            if g.job_id in jobs_ and g.user_id in users_
        ),
    )


def stages(connection: Connection, page: Sequence[ats.Stage]) -> int:
    jobs_ = _pks(connection, Job, (s.job_id for s in page))
    return _upsert(
        connection,
        Stage,
        (
            Stage(
                remote_id=s.id,
                job_id=jobs_[s.job_id],
                name=s.name[:200],
                order=s.order,
                active=s.active,
            )
            for s in page
            if s.job_id in jobs_
        ),
    )


def rejection_reasons(connection: Connection, page: Sequence[ats.RejectionReason]) -> int:
    return _upsert(
        connection,
        RejectionReason,
        (
            RejectionReason(remote_id=r.id, name=r.name[:300], type_name=r.type_name[:120])
            for r in page
        ),
    )


def close_reasons(connection: Connection, page: Sequence[ats.CloseReason]) -> int:
    return _upsert(
        connection, CloseReason, (CloseReason(remote_id=r.id, name=r.name[:300]) for r in page)
    )


def sources(connection: Connection, page: Sequence[ats.Source]) -> int:
    return _upsert(connection, Source, (Source(remote_id=s.id, name=s.name[:300]) for s in page))


def email_templates(connection: Connection, page: Sequence[ats.EmailTemplate]) -> int:
    return _upsert(
        connection,
        EmailTemplate,
        (EmailTemplate(remote_id=t.id, name=t.name[:300], type=t.type[:60]) for t in page),
    )


def candidates(connection: Connection, page: Sequence[ats.Candidate]) -> int:
    return _upsert(
        connection,
        Candidate,
        (
            Candidate(
                remote_id=c.id,
                first_name=c.first_name[:200],
                last_name=c.last_name[:200],
                company=(c.company or "")[:200],
                title=(c.title or "")[:300],
                private=c.private,
            )
            for c in page
        ),
    )


def applications(connection: Connection, page: Sequence[ats.Application]) -> int:
    jobs_ = _pks(connection, Job, (a.job_id for a in page))
    people = _pks(connection, Candidate, (a.candidate_id for a in page))
    stages_ = _pks(connection, Stage, (a.stage_id for a in page))
    sources_ = _pks(connection, Source, (a.source_id for a in page))
    staff = _pks(
        connection, AtsUser, (user for a in page for user in (a.recruiter_id, a.coordinator_id))
    )
    return _upsert(
        connection,
        Application,
        (
            Application(
                remote_id=a.id,
                job_id=jobs_.get(a.job_id),
                candidate_id=people.get(a.candidate_id),
                stage_id=stages_.get(a.stage_id),
                stage_name=(a.stage_name or "")[:200],
                stage_remote_id=a.stage_id,
                stage_entry_id=a.stage_entry_id,
                status=a.status[:30],
                prospect=a.prospect,
                rejection_reason_remote_id=a.rejection_reason_id,
                applied_at=a.applied_at,
                rejected_at=a.rejected_at,
                last_activity_at=a.last_activity_at,
                source_id=sources_.get(a.source_id),
                source_name=(a.source_name or "")[:300],
                recruiter_id=staff.get(a.recruiter_id),
                coordinator_id=staff.get(a.coordinator_id),
                answers=[{"question": one.question, "answer": one.answer} for one in a.answers],
            )
            for a in page
        ),
    )


def gone(connection: Connection, model: type[Mirrored], seen: set[int | None]) -> int:
    """Mark what a complete read no longer contained. Lost grants are deleted: access ends here."""
    kept = model._default_manager.filter(connection=connection, gone_at=None)
    lost = [pk for pk, remote in kept.values_list("pk", "remote_id") if remote not in seen]
    for start in range(0, len(lost), 500):
        rows = model._default_manager.filter(pk__in=lost[start : start + 500])
        if model is JobGrant:
            rows.delete()
        else:
            rows.update(gone_at=timezone.now(), changed_at=timezone.now())
    return len(lost)


def mark_gone(connection: Connection, model: type[Mirrored], remote_ids: Sequence[int]) -> int:
    """Greenhouse answered that it does not have these."""
    rows = model._default_manager.filter(
        connection=connection, remote_id__in=remote_ids, gone_at=None
    )
    return rows.update(gone_at=timezone.now()) if remote_ids else 0


def folded(address: str | None) -> str:
    """An address as it is compared: without regard to case or outer blanks."""
    return (address or "").strip().casefold()[:254]


def _pks(
    connection: Connection, model: type[Mirrored], remote_ids: Iterable[int | None]
) -> dict[int | None, int]:
    """Our keys by Greenhouse's ids, of those that are here."""
    wanted = {r for r in remote_ids if r is not None}
    rows = model._default_manager.filter(connection=connection, remote_id__in=wanted)
    return dict(rows.values_list("remote_id", "pk"))


def _upsert(connection: Connection, model: type[Mirrored], rows: Iterable[Mirrored]) -> int:
    """Write the rows in one statement; gives back how many were not here before."""
    batch: dict[int, Mirrored] = {row.remote_id: row for row in rows}
    known = len(_pks(connection, model, batch))
    for row in batch.values():
        row.connection = connection
    model._default_manager.bulk_create(
        batch.values(),
        update_conflicts=True,
        unique_fields=["connection", "remote_id"],
        update_fields=_updated(model),
    )
    return len(batch) - known


def _updated(model: type[models.Model]) -> list[str]:
    fixed = {"id", "connection", "remote_id", "first_seen_at", "entered_stage_at", "read_at"}
    fixed |= {"active_applications", "waiting_since"}  # counted, not told by Greenhouse
    fields: Any = model._meta.concrete_fields
    return [field.name for field in fields if field.name not in fixed]
