from __future__ import annotations

from dataclasses import dataclass

from django.conf import settings
from django.urls import reverse

from portal.core import links
from portal.issues.models import Issue

Cause, Fixer = Issue.Cause, Issue.Fixer

_FIX_PAGES = {
    Cause.BAD_CREDENTIAL: links.SETUP_CREDENTIAL,
    Cause.UNREADABLE_CREDENTIAL: links.SETUP_CREDENTIAL,
    Cause.CONSENT_EXPIRING: links.SETUP_CREDENTIAL,
    Cause.MISSING_PERMISSION: links.SETUP_PERMISSIONS,
    Cause.NO_SITE_ADMIN: links.SETUP_PERMISSIONS,
    Cause.MASS_DELETION: links.SETUP_PERMISSIONS,
    Cause.UNMATCHED_PEOPLE: links.SETUP,
    Cause.SYNC_FAILING: links.SETUP_SYNC,
}
# Fixers that the customer's admins reach; the others are ours or nobody.
CUSTOMER_FIXERS = {Fixer.GREENHOUSE_ADMIN, Fixer.ADMIN}


@dataclass(frozen=True)
class IssueMessage:
    subject: str
    body: str
    path: str  # the portal page with the fix

    @property
    def text(self) -> str:
        return f"{self.body}\n\n{settings.PORTAL_URL}{self.path}"


def build_message(issue: Issue) -> IssueMessage:
    """Message for the person who can fix the issue. Issues contain no secrets or candidates."""
    parts = [issue.description]
    if issue.still_works:
        parts.append(f"What still works: {issue.still_works}")
    if issue.fixer == Fixer.GREENHOUSE_ADMIN:
        parts.append("Ask whoever manages Greenhouse at your company to fix it:")
    elif issue.fixer == Fixer.ADMIN:
        parts.append("You can fix it here:")
    else:
        parts.append("You don’t need to do anything. Details:")
    return IssueMessage(issue.title, "\n\n".join(parts), reverse(_get_fix_page(issue)))


def build_staff_text(issue: Issue) -> str:
    parts = [issue.description]
    if issue.still_works:
        parts.append(f"What still works: {issue.still_works}")
    parts.append(f"Who can fix it: {issue.get_fixer_display()}. Details:")
    return "\n\n".join(parts)


def needs_permission_fix(issue: Issue) -> bool:
    return issue.cause == Cause.MISSING_PERMISSION


def _get_fix_page(issue: Issue) -> str:
    return _FIX_PAGES.get(Cause(issue.cause), links.SETUP)
