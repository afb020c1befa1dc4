"""Learning from Greenhouse's "no": what it refused to a role, the next person reads first.

Remembered for a while only, and forgotten as soon as somebody in the role was allowed: rights in
Greenhouse change, and we are not told.
"""

from __future__ import annotations

from datetime import timedelta
from typing import NamedTuple

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
    if action.role_remote_id is None or action.as_service_account:
        return
    LearnedRefusal.objects.update_or_create(
        connection_id=action.application.connection_id,
        role_remote_id=action.role_remote_id,
        kind=action.kind,
        defaults={"words": error.sentence[:400], "seen_at": timezone.now()},
    )


def refused_words(action: ApplicationAction, error: AtsError) -> str:
    """Why it was not done, for the person: whose rights in Greenhouse did not suffice."""
    if not action.as_service_account or not isinstance(error, ActingUserRefused):
        return error.sentence
    said = (
        f" It says: {error.evidence.message}" if error.evidence and error.evidence.message else ""
    )
    return (
        "Greenhouse does not let the service account do this. Its rights there decide; with your "
        f"own consent yours would.{said}"
    )


def unlearn(action: ApplicationAction) -> None:
    """It was allowed: what was refused to this person or role before no longer holds."""
    why = "Greenhouse did it since"
    book.solved(action.membership.organization, CAUSE, why=why, key=_key(action))
    if action.role_remote_id is not None and not action.as_service_account:
        LearnedRefusal.objects.filter(
            connection_id=action.application.connection_id,
            role_remote_id=action.role_remote_id,
            kind=action.kind,
        ).delete()


def _say(action: ApplicationAction, reason: str) -> None:
    """One issue a person and deed: good to know at first, graver when it happens often. The
    service account counts as one person.
    """
    organization, label = action.membership.organization, action.get_kind_display()
    key, who = _key(action), _who(action)
    again = Issue.objects.filter(
        organization=organization, cause=CAUSE, key=key, closed_at=None, times__gte=OFTEN - 1
    )
    book.seen(
        organization,
        CAUSE,
        key=key,
        title=f"Greenhouse does not let {who.short} “{label}”",
        words=f"Greenhouse refused “{label}” {who.named}. It said: “{reason}” {who.mending}",
        severity=Issue.Severity.DEGRADED if again.exists() else Issue.Severity.FYI,
        fixer=Issue.Fixer.GREENHOUSE_ADMIN,
        still_works="Everybody else acts as before. Nothing was changed by what was refused.",
    )


class _Who(NamedTuple):
    """Whom Greenhouse refused: in a title, in a sentence, and what helps."""

    short: str
    named: str
    mending: str


def _who(action: ApplicationAction) -> _Who:
    person = action.membership.user
    if action.as_service_account:
        return _Who(
            "the service account",
            f"to the service account, for {person.email}",
            "What it may do is decided there, by the rights of the user who connected. Give that "
            "user the right in Greenhouse, or let people agree that the portal acts in their name.",
        )
    return _Who(
        str(person),
        f"in the name of {person.email}",
        "What somebody may do is decided there, by their job permissions. If it is meant to be "
        "so, nothing is wrong; else give them the right in Greenhouse.",
    )


def _key(action: ApplicationAction) -> str:
    who = "service account" if action.as_service_account else action.membership_id
    return f"{who}:{action.kind}"


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
