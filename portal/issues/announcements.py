from __future__ import annotations

from django.db.models import Q

from portal.accounts.models import Membership, User
from portal.issues.issue_message import CUSTOMER_FIXERS, build_message, build_staff_text
from portal.issues.models import Issue
from portal.notifications import chat, notify

# One cause opens issues at many customers: staff is notified once a day.
_SHARED_CAUSE_FIXERS = {Issue.Fixer.OPERATOR, Issue.Fixer.GREENHOUSE, Issue.Fixer.NOBODY}

# The permission monitor announces these itself, all changes in one notification.
_ANNOUNCED_BY_PERMISSION_MONITOR = {
    Issue.Cause.MISSING_PERMISSION,
    Issue.Cause.BAD_CREDENTIAL,
    Issue.Cause.UNREADABLE_CREDENTIAL,
}


def announce_opened(issue: Issue) -> None:
    """Post to the chat, and email those who can fix it and the owner. INFO is not announced."""
    if issue.severity == Issue.Severity.INFO:
        return
    organization = issue.organization
    key, staff_url = _build_notification_key(issue), notify.get_staff_url(organization)
    chat.post_message(organization, key=key, text=issue.title, path=staff_url)
    if issue.cause in _ANNOUNCED_BY_PERMISSION_MONITOR:
        return
    if issue.fixer in CUSTOMER_FIXERS and issue.severity == Issue.Severity.CRITICAL:
        message = build_message(issue)
        notify.notify_users(
            notify.list_admins(organization),
            organization,
            key=key,
            subject=message.subject,
            body=message.body,
            path=message.path,
        )
    notify.notify_users(
        _list_staff_recipients(issue),
        organization,
        key=key,
        subject=issue.title,
        body=build_staff_text(issue),
        path=staff_url,
    )


def _list_staff_recipients(issue: Issue) -> list[User]:
    """Return those who can fix it, or else the staff member who looks after the customer."""
    if issue.fixer == Issue.Fixer.OPERATOR:
        return notify.list_operators()
    owner = issue.organization.owner
    owners = [owner] if owner is not None and owner.is_active and owner.is_staff else []
    if issue.fixer == Issue.Fixer.CSM:
        return owners or notify.list_staff("help_customer")
    return owners


def announce_resolved(issue: Issue) -> None:
    """Notify everyone who was notified when the issue opened."""
    key = _build_notification_key(issue)
    member_ids = Membership.objects.filter(organization=issue.organization).values("user")
    recipient_filter = Q(is_staff=True) | Q(pk__in=member_ids)
    people = User.objects.filter(
        recipient_filter, is_active=True, notifications__key=key
    ).distinct()
    body = f"Resolved: {issue.title} ({issue.resolution})."
    subject = f"Resolved: {issue.title}"
    notify.notify_users(people, issue.organization, key=f"{key}:closed", subject=subject, body=body)
    if chat.was_posted(key):
        chat.post_message(issue.organization, key=f"{key}:closed", text=body)


def _build_notification_key(issue: Issue) -> str:
    if issue.fixer in _SHARED_CAUSE_FIXERS:
        return f"issue:{issue.cause}:{issue.first_seen_at:%Y-%m-%d}"
    return f"issue:{issue.pk}"
