"""Mirror rows created directly, including combinations that no sync would produce."""

from __future__ import annotations

from itertools import count

from django.utils import timezone

from portal.connections.models import CheckRun, Connection, Credential, PermissionCheck
from portal.sync.models import (
    Application,
    AtsUser,
    AtsUserEmail,
    Candidate,
    Job,
    JobGrant,
    Stage,
    TeamMember,
)

GRANTS = "user_permissions.list_job_permissions"
TEAMS = "hiring_team.owners"
APPLICATIONS = "applications.list"
CANDIDATES = "candidates.list"
_remote_ids = count(1_000_000_001)


def create_user(connection: Connection, *addresses: str, verified: bool | None = None, **fields):
    """A Greenhouse user; the first address is primary, `verified` applies to all of them."""
    fields.setdefault("name", "Somebody")
    made = AtsUser.objects.create(connection=connection, remote_id=next(_remote_ids), **fields)
    AtsUserEmail.objects.bulk_create(
        AtsUserEmail(user=made, address=address, primary=not n, verified=verified)
        for n, address in enumerate(addresses)
    )
    return made


def build_job(connection: Connection, name: str = "Nurse", *, gone: bool = False, **fields):
    fields.setdefault("status", "open")
    gone_at = timezone.now() if gone else None
    return Job(
        connection=connection, remote_id=next(_remote_ids), name=name, gone_at=gone_at, **fields
    )


def create_job(connection: Connection, name: str = "Nurse", *, gone: bool = False, **fields) -> Job:
    made = build_job(connection, name, gone=gone, **fields)
    made.save()
    return made


def build_grant(who: AtsUser, to: Job, *, job_admin: bool = True, gone: bool = False):
    return JobGrant(
        connection_id=to.connection_id,
        remote_id=next(_remote_ids),
        user=who,
        job=to,
        job_admin=job_admin,
        gone_at=timezone.now() if gone else None,
    )


def create_grant(who: AtsUser, to: Job, *, job_admin: bool = True, gone: bool = False) -> JobGrant:
    made = build_grant(who, to, job_admin=job_admin, gone=gone)
    made.save()
    return made


def create_team_member(who: AtsUser, on: Job, role: str = "recruiter") -> TeamMember:
    return TeamMember.objects.create(user=who, job=on, role=role)


def create_stage(of: Job, name: str, *, order: int = 0) -> Stage:
    return Stage.objects.create(
        connection_id=of.connection_id, remote_id=next(_remote_ids), job=of, name=name, order=order
    )


def create_candidate(
    connection: Connection, name: str = "", *, private: bool = False, gone: bool = False
) -> Candidate:
    first, _, last = (name or f"Cara Candidate{next(_remote_ids)}").partition(" ")
    return Candidate.objects.create(
        connection=connection,
        remote_id=next(_remote_ids),
        first_name=first,
        last_name=last,
        private=private,
        gone_at=timezone.now() if gone else None,
    )


def create_application(
    to: Job, of: Candidate | None, *, gone: bool = False, **fields
) -> Application:
    fields.setdefault("status", "active")
    return Application.objects.create(
        connection_id=to.connection_id,
        remote_id=next(_remote_ids),
        job=to,
        candidate=of,
        gone_at=timezone.now() if gone else None,
        **fields,
    )


def record_check(connection: Connection, *, missing: tuple[str, ...] = ()) -> None:
    """Record a permission check of the connection that found exactly these missing."""
    credential, _ = Credential.objects.get_or_create(
        connection=connection,
        defaults={"kind": "harvest_oauth", "secret": "s", "last_four": "1234", "fingerprint": "f"},
    )
    run = CheckRun.objects.create(
        connection=connection, credential=credential, status=CheckRun.Status.DONE
    )
    PermissionCheck.objects.bulk_create(
        PermissionCheck(run=run, permission=key, outcome="missing") for key in missing
    )
