"""Requisitions that a member keeps at the top of the list."""

from __future__ import annotations

from django.db.models import QuerySet

from portal.accounts.models import Membership
from portal.core.database.compiled_queries import compile_once
from portal.jobs.models import Pin
from portal.sync.models import Job

MAX_PINS = 20


class PinLimitReached(Exception):
    """The message names the limit and what to do."""


def pin_job(member: Membership, job: Job, visible: QuerySet[Job]) -> None:
    """Raises PinLimitReached. Only pins in `visible` count: others could not be removed."""
    if member.pins.filter(job__in=visible.order_by()).exclude(job=job).count() >= MAX_PINS:
        raise PinLimitReached(f"You can pin up to {MAX_PINS} requisitions. Unpin one first.")
    Pin.objects.get_or_create(membership=member, job=job)


def unpin_job(member: Membership, job: Job) -> None:
    Pin.objects.filter(membership=member, job=job).delete()


def list_pinned_job_ids(member: Membership) -> list[int]:
    return _find_pinned_job_ids(member.pk)


@compile_once
def _find_pinned_job_ids(membership_id: int) -> QuerySet[Pin, int]:
    pins = Pin.objects.filter(membership=membership_id).order_by("pinned_at", "id")
    return pins.values_list("job_id", flat=True)
