"""Telling whom an issue concerns when it opens, and the same people when it is solved."""

from __future__ import annotations

from django.db.models import Q

from portal.accounts.models import Membership, User
from portal.issues.message import THEIRS, for_staff, message
from portal.issues.models import Issue
from portal.notices import chat, tell

# One such event opens an issue at many customers at once: our staff hears of it once a day.
_OURS = {Issue.Fixer.OPERATOR, Issue.Fixer.GREENHOUSE, Issue.Fixer.NOBODY}

# A check of permissions tells these itself: what changed, all in one notice (connections.drift).
_TOLD_BY_THE_CHECK = {
    Issue.Cause.MISSING_PERMISSION,
    Issue.Cause.BAD_CREDENTIAL,
    Issue.Cause.UNREADABLE_CREDENTIAL,
}


def opened(issue: Issue) -> None:
    """Tell our staff, and the customer's admins where they must act. What is good to know waits."""
    if issue.severity == Issue.Severity.FYI:
        return
    told, organization = message(issue), issue.organization
    subject = f"{organization}: {issue.title}"
    key, desk = _key(issue), tell.desk_of(organization)
    chat.say(organization, key=key, words=issue.title, path=desk)
    if issue.cause in _TOLD_BY_THE_CHECK:
        return
    words = for_staff(issue)
    tell.tell(tell.success(), organization, key=key, subject=subject, words=words, path=desk)
    if issue.severity == Issue.Severity.MUST_ACT and issue.fixer in THEIRS:
        tell.tell(
            tell.admins(organization),
            organization,
            key=key,
            subject=told.subject,
            words=told.words,
            path=told.path,
        )


def closed(issue: Issue) -> None:
    """Tell those who were told that it began."""
    key = _key(issue)
    here = Membership.objects.filter(organization=issue.organization).values("user")
    still = Q(is_staff=True) | Q(pk__in=here)
    people = User.objects.filter(still, is_active=True, notices__key=key).distinct()
    words = f"Solved: {issue.title} ({issue.closed_why})."
    subject = f"Solved at {issue.organization}: {issue.title}"
    tell.tell(people, issue.organization, key=f"{key}:closed", subject=subject, words=words)
    if chat.said(key):
        chat.say(issue.organization, key=f"{key}:closed", words=words)


def _key(issue: Issue) -> str:
    if issue.fixer in _OURS:
        return f"issue:{issue.cause}:{issue.first_seen_at:%Y-%m-%d}"
    return f"issue:{issue.pk}"
