"""Opening a requisition: what is there now is no longer new, and what is old is read again."""

from __future__ import annotations

from django.utils import timezone

from portal.accounts.models import Membership
from portal.core import readonly
from portal.entitlements.rules import Rights
from portal.jobs.models import Look
from portal.mirror import single
from portal.mirror.models import Job, SingleRead


def visited(member: Membership, job: Job, held: Rights) -> None:
    """The member has the job before their eyes; not so when staff looks in their place."""
    if readonly.holds():
        return
    Look.objects.bulk_create(
        [Look(membership=member, job=job, at=timezone.now())],
        update_conflicts=True,
        unique_fields=["membership", "job"],
        update_fields=["at"],
    )
    if held.acts:
        single.refresh_if_stale(job)


def refresh(job: Job, held: Rights) -> bool:
    """Have the job read again soon; False where the connection is not ready for that.

    However often it is asked for, there is one reading at a time.
    """
    if not held.acts:
        return False
    single.ask(job.connection, SingleRead.Kind.JOB, job.remote_id)
    return True


def being_read(job: Job) -> bool:
    """Whether a reading of this job is on its way."""
    wishes = SingleRead.objects.filter(connection=job.connection_id, kind=SingleRead.Kind.JOB)
    return wishes.filter(remote_id=job.remote_id).exists()
