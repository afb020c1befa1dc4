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
from portal.issues import book
from portal.issues.models import Issue
from portal.mirror.models import JobGrant

CAUSE = Issue.Cause.ACTING_USER_REFUSED
OFTEN = 3  # refusals of one person's deed, from which on customer success is told
QUIET_FOR = timedelta(days=7)


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
    if not isinstance(error, ActingUserRefused) or evidence is None or evidence.status != 403:
        return
    _say(action, evidence.message)
    if action.role_remote_id is None:
        return
    LearnedRefusal.objects.update_or_create(
        connection_id=action.application.connection_id,
        role_remote_id=action.role_remote_id,
        kind=action.kind,
        defaults={"words": error.sentence[:400], "seen_at": timezone.now()},
    )


def unlearn(action: ApplicationAction) -> None:
    """It was allowed: what was refused to this person or role before no longer holds."""
    why = "Greenhouse did it in their name"
    book.solved(action.membership.organization, CAUSE, why=why, key=_key(action))
    if action.role_remote_id is not None:
        LearnedRefusal.objects.filter(
            connection_id=action.application.connection_id,
            role_remote_id=action.role_remote_id,
            kind=action.kind,
        ).delete()


def _say(action: ApplicationAction, reason: str) -> None:
    """One issue a person and deed: good to know at first, graver when it happens often."""
    organization, person = action.membership.organization, action.membership.user
    key, label = _key(action), action.get_kind_display()
    again = Issue.objects.filter(
        organization=organization, cause=CAUSE, key=key, closed_at=None, times__gte=OFTEN - 1
    )
    book.seen(
        organization,
        CAUSE,
        key=key,
        title=f"Greenhouse does not let {person} “{label}”",
        words=(
            f"Greenhouse refused “{label}” in the name of {person.email}. It said: “{reason}” "
            "What somebody may do is decided there, by their job permissions. If it is meant to be "
            "so, nothing is wrong; else give them the right in Greenhouse."
        ),
        severity=Issue.Severity.DEGRADED if again.exists() else Issue.Severity.FYI,
        fixer=Issue.Fixer.GREENHOUSE_ADMIN,
        still_works="Everybody else acts as before. Nothing was changed by what was refused.",
    )


def _key(action: ApplicationAction) -> str:
    return f"{action.membership_id}:{action.kind}"


def close_quiet() -> None:
    """Close the issues of what was refused and was not for a week: nobody meets it any more."""
    quiet = Issue.objects.filter(
        cause=CAUSE, closed_at=None, last_seen_at__lt=timezone.now() - QUIET_FOR
    )
    for issue in quiet.select_related("organization"):
        book.solved(issue.organization, CAUSE, why="not refused for a week", key=issue.key)


def forget() -> None:
    """Drop what is too old to be believed."""
    LearnedRefusal.objects.filter(seen_at__lte=_oldest()).delete()


def _oldest() -> object:
    return timezone.now() - timedelta(days=settings.REFUSAL_REMEMBERED_DAYS)
