"""Mirror rows created directly, including combinations that no sync would produce."""

from __future__ import annotations

from itertools import count

from django.utils import timezone

from portal.connections.models import CheckRun, Connection, Credential, PermissionCheck
from portal.mirror.models import (
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
_numbers = count(1_000_000_001)


def user(connection: Connection, *addresses: str, verified: bool | None = None, **fields):
    """A Greenhouse user; the first address is primary, `verified` applies to all of them."""
    fields.setdefault("name", "Somebody")
    made = AtsUser.objects.create(connection=connection, remote_id=next(_numbers), **fields)
    AtsUserEmail.objects.bulk_create(
        AtsUserEmail(user=made, address=address, primary=not n, verified=verified)
        for n, address in enumerate(addresses)
    )
    return made


def unsaved_job(connection: Connection, name: str = "Nurse", *, gone: bool = False, **fields):
    fields.setdefault("status", "open")
    gone_at = timezone.now() if gone else None
    return Job(
        connection=connection, remote_id=next(_numbers), name=name, gone_at=gone_at, **fields
    )


def job(connection: Connection, name: str = "Nurse", *, gone: bool = False, **fields) -> Job:
    made = unsaved_job(connection, name, gone=gone, **fields)
    made.save()
    return made


def unsaved_grant(who: AtsUser, to: Job, *, job_admin: bool = True, gone: bool = False):
    return JobGrant(
        connection_id=to.connection_id,
        remote_id=next(_numbers),
        user=who,
        job=to,
        job_admin=job_admin,
        gone_at=timezone.now() if gone else None,
    )


def grant(who: AtsUser, to: Job, *, job_admin: bool = True, gone: bool = False) -> JobGrant:
    made = unsaved_grant(who, to, job_admin=job_admin, gone=gone)
    made.save()
    return made


def place(who: AtsUser, on: Job, role: str = "recruiter") -> TeamMember:
    return TeamMember.objects.create(user=who, job=on, role=role)


def stage(of: Job, name: str, *, order: int = 0) -> Stage:
    return Stage.objects.create(
        connection_id=of.connection_id, remote_id=next(_numbers), job=of, name=name, order=order
    )


def candidate(
    connection: Connection, name: str = "", *, private: bool = False, gone: bool = False
) -> Candidate:
    first, _, last = (name or f"Cara Candidate{next(_numbers)}").partition(" ")
    return Candidate.objects.create(
        connection=connection,
        remote_id=next(_numbers),
        first_name=first,
        last_name=last,
        private=private,
        gone_at=timezone.now() if gone else None,
    )


def application(to: Job, of: Candidate | None, *, gone: bool = False, **fields) -> Application:
    fields.setdefault("status", "active")
    return Application.objects.create(
        connection_id=to.connection_id,
        remote_id=next(_numbers),
        job=to,
        candidate=of,
        gone_at=timezone.now() if gone else None,
        **fields,
    )


def checked(connection: Connection, *, missing: tuple[str, ...] = ()) -> None:
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
