"""An issue as a message for the person who can fix it, ready to be copied or sent."""

from __future__ import annotations

from dataclasses import dataclass

from django.conf import settings
from django.urls import reverse

from portal.issues.models import Issue

Cause, Fixer = Issue.Cause, Issue.Fixer

_PAGES = {
    Cause.BAD_CREDENTIAL: "onboarding:credential",
    Cause.UNREADABLE_CREDENTIAL: "onboarding:credential",
    Cause.CONSENT_ENDING: "onboarding:credential",
    Cause.MISSING_PERMISSION: "onboarding:permissions",
    Cause.NO_SITE_ADMIN: "onboarding:permissions",
    Cause.MOST_MISSING: "onboarding:permissions",
    Cause.UNMATCHED_PEOPLE: "onboarding:setup",
    Cause.SYNC_FAILING: "onboarding:sync",
}
# Whom a message reaches through the admins of the customer; the others are ours, or nobody's.
THEIRS = {Fixer.GREENHOUSE_ADMIN, Fixer.ADMIN}


@dataclass(frozen=True)
class Message:
    """`path` is where it is fixed, in the portal."""

    subject: str
    words: str
    path: str

    @property
    def text(self) -> str:
        """All of it, to be copied."""
        return f"{self.words}\n\n{settings.PORTAL_URL}{self.path}"


def message(issue: Issue) -> Message:
    """What to tell whoever can fix this. No secret and no candidate stands in an issue."""
    parts = [issue.words]
    if issue.still_works:
        parts.append(f"What still works: {issue.still_works}")
    if issue.fixer == Fixer.GREENHOUSE_ADMIN:
        parts.append("Whoever manages Greenhouse at your company can fix it here:")
    elif issue.fixer == Fixer.ADMIN:
        parts.append("You can fix it here:")
    else:
        parts.append("You need to do nothing. More about it:")
    return Message(issue.title, "\n\n".join(parts), reverse(_page(issue)))


def for_staff(issue: Issue) -> str:
    """What our own staff is told, whoever can fix it."""
    parts = [issue.words]
    if issue.still_works:
        parts.append(f"What still works: {issue.still_works}")
    parts.append(f"Who can fix it: {issue.get_fixer_display()}. More about it:")
    return "\n\n".join(parts)


def asks_for_boxes(issue: Issue) -> bool:
    """Whether somebody must tick boxes in Greenhouse: then a link shows them which."""
    return issue.cause == Cause.MISSING_PERMISSION


def _page(issue: Issue) -> str:
    return _PAGES.get(Cause(issue.cause), "onboarding:setup")
