"""Email notifications: one row per user and event, sent from the queue or in a daily digest."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta

from django.conf import settings
from django.contrib.auth.models import Permission
from django.db import transaction
from django.db.models import Q
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone

from portal.accounts.models import Membership, Organization, User
from portal.core import links, queue
from portal.notifications import delivery
from portal.notifications.message_queue import MessageQueue
from portal.notifications.models import Notification, Preference

SEND_TASK = "portal.notifications.tasks.send_notification"
DIGEST_INTERVAL = timedelta(hours=23)  # under a day, so that the hourly task doesn't drift
Status = Notification.Status
MESSAGES = MessageQueue(model=Notification, label="notifications", send_task=SEND_TASK)


def list_admins(organization: Organization) -> list[User]:
    return list(
        User.objects.filter(
            is_active=True,
            memberships__organization=organization,
            memberships__role=Membership.Role.ADMIN,
            memberships__ended_at=None,
        )
    )


def list_staff(permission: str) -> list[User]:
    """List staff who got this permission of portal.support through their role."""
    granted = Permission.objects.filter(content_type__app_label="support", codename=permission)
    staff = User.objects.filter(is_active=True, is_staff=True)
    return list(staff.filter(groups__permissions__in=granted).distinct())


def list_operators() -> list[User]:
    """List those who keep the portal running; superusers do, too."""
    superusers = User.objects.filter(is_active=True, is_staff=True, is_superuser=True)
    return [*{*list_staff("view_system_health"), *superusers}]


def get_staff_url(organization: Organization) -> str:
    # Staff can't open a customer's pages.
    return reverse(links.CUSTOMER_SUMMARY, args=[organization.pk])


def notify_users(
    people: Iterable[User],
    organization: Organization,
    *,
    key: str,
    subject: str,
    body: str,
    path: str = "",
) -> list[Notification]:
    """Notify each user once per `key` and return the new notifications.

    `subject` names the event only: emails add the organization. `body` has no secrets.
    """
    people = list(people)
    deferred_ids = {
        preference.user_id
        for preference in Preference.objects.filter(user__in=people)
        if preference.defers_delivery
    }
    with transaction.atomic():
        notified_ids = set(
            Notification.objects.filter(recipient__in=people, key=key[:120]).values_list(
                "recipient_id", flat=True
            )
        )
        new = Notification.objects.bulk_create(
            (
                Notification(
                    organization=organization,
                    recipient=person,
                    key=key[:120],
                    subject=subject[:160],
                    body=body,
                    path=path,
                    status=Status.DEFERRED if person.pk in deferred_ids else Status.QUEUED,
                )
                for person in people
                if person.pk not in notified_ids
            ),
            ignore_conflicts=True,
        )
        # With ignore_conflicts, bulk_create returns no primary keys.
        stored_rows = Notification.objects.filter(
            key=key[:120],
            recipient__in=[n.recipient_id for n in new],
            status__in=(Status.QUEUED, Status.DEFERRED),
        )
        notifications = list(stored_rows)
        for notification in notifications:
            if notification.status == Status.QUEUED:
                queue.enqueue_task(
                    SEND_TASK, notification.pk, organization_id=notification.organization_id
                )
    return notifications


def send_notification(notification: Notification) -> None:
    """Send a queued notification together with others waiting for the same user; deletes it if
    they were deactivated since.
    """
    if not notification.recipient.is_active:
        Notification.objects.filter(pk=notification.pk, status=Status.QUEUED).delete()
        return
    if not MESSAGES.claim_message(notification):
        return
    pending = Notification.objects.filter(
        recipient=notification.recipient, status=Status.QUEUED
    ).exclude(pk=notification.pk)
    claimed = [
        extra
        for extra in pending.select_related("organization").order_by("pk")[:50]
        if MESSAGES.claim_message(extra, why="it leaves with another one")
    ]
    _send_email(notification.recipient, [notification, *claimed])


def send_digests() -> None:
    """Raises RetryLater when its turn is over."""
    now, turn = timezone.now(), queue.TaskTurn()
    due = (
        Preference.objects.filter(Q(paused_until=None) | Q(paused_until__lte=now))
        .filter(
            Q(frequency=Preference.Frequency.AT_ONCE)
            | Q(last_digest_at=None)
            | Q(last_digest_at__lte=now - DIGEST_INTERVAL),
            user__notifications__status=Status.DEFERRED,
            user__is_active=True,
        )
        .select_related("user")
        .distinct()
    )
    for preference in due:
        deferred = Notification.objects.filter(recipient=preference.user, status=Status.DEFERRED)
        claimed = [
            notification
            for notification in deferred.select_related("organization").order_by("pk")[:200]
            if MESSAGES.claim_message(notification, why="the digest leaves")
        ]
        if claimed:
            Preference.objects.filter(pk=preference.pk).update(last_digest_at=now)
            _send_email(preference.user, claimed)
            turn.end_if_over()


def _send_email(person: User, notifications: list[Notification]) -> None:
    subject = _compose_subject(notifications)
    body = render_to_string(
        "notifications/email.txt",
        {"person": person, "notifications": notifications, "portal_url": settings.PORTAL_URL},
    )
    MESSAGES.send_claimed(notifications, lambda: delivery.send_email(subject, body, person.email))


def _compose_subject(notifications: list[Notification]) -> str:
    """The event and its customer, or how many of each."""
    customers = {notification.organization for notification in notifications}
    if len(customers) > 1:
        return f"{len(notifications)} updates on {len(customers)} customers"
    first, other_count = notifications[0], len(notifications) - 1
    subject = f"{first.organization}: {first.subject}"
    return f"{subject} and {other_count} more" if other_count else subject
