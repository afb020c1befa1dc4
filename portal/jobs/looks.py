"""When somebody last opened a requisition."""

from __future__ import annotations

from django.utils import timezone

from portal.accounts.models import Membership
from portal.jobs.models import Look
from portal.mirror.models import Job


def looked(member: Membership, job: Job) -> None:
    """Remember that the member has the job before their eyes: what is there now is not new."""
    Look.objects.update_or_create(membership=member, job=job, defaults={"at": timezone.now()})
