"""Learning from Greenhouse's "no": what it refused to a role, the next person reads first.

Remembered for a while only, and forgotten as soon as somebody in the role was allowed: rights in
Greenhouse change, and we are not told.
"""

from __future__ import annotations

from datetime import timedelta

from django.conf import settings
from django.utils import timezone

from integrations.ats.errors import ActingUserRefused, AtsError
from portal.applications.models import ApplicationAction, LearnedRefusal
from portal.connections.models import Connection
from portal.entitlements.rules import Rights
from portal.mirror.models import JobGrant


def role_on(job_id: int, held: Rights) -> int | None:
    """Greenhouse's id of the role in which the person works on a job; None: unknown, or none.

    A Site Admin's rights come from no role.
    """
    user = held.match.user
    if user is None or user.site_admin:
        return None
    grants = JobGrant.objects.filter(job_id=job_id, user=user, job_admin=True, gone_at=None)
    found: int | None = grants.values_list("role_remote_id", flat=True).first()
    return found


def refused_to(connection: Connection | None, role: int | None) -> dict[str, LearnedRefusal]:
    """By kind, what Greenhouse lately refused to people in this role."""
    if role is None or connection is None:
        return {}
    known = LearnedRefusal.objects.filter(
        connection=connection, role_remote_id=role, seen_at__gt=_oldest()
    )
    return {one.kind: one for one in known}


def learn(action: ApplicationAction, error: AtsError) -> None:
    """Remember a refusal of the role. A 404 is about the record, so it teaches nothing."""
    evidence = error.evidence
    told = isinstance(error, ActingUserRefused) and evidence is not None and evidence.status == 403
    if not told or action.role_remote_id is None:
        return
    LearnedRefusal.objects.update_or_create(
        connection_id=action.application.connection_id,
        role_remote_id=action.role_remote_id,
        kind=action.kind,
        defaults={"words": error.sentence[:400], "seen_at": timezone.now()},
    )


def unlearn(action: ApplicationAction) -> None:
    """It was allowed: what was refused to this role before no longer holds."""
    if action.role_remote_id is not None:
        LearnedRefusal.objects.filter(
            connection_id=action.application.connection_id,
            role_remote_id=action.role_remote_id,
            kind=action.kind,
        ).delete()


def forget() -> None:
    """Drop what is too old to be believed."""
    LearnedRefusal.objects.filter(seen_at__lte=_oldest()).delete()


def _oldest() -> object:
    return timezone.now() - timedelta(days=settings.REFUSAL_REMEMBERED_DAYS)
