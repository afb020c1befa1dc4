"""Finds subscriptions whose period is over, and claims each period once.

A claim moves the subscription on and creates the digest in one transaction, so a killed worker
leaves either both or none, and the second of two workers finds nothing to claim.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import groupby

from django.db import IntegrityError, transaction
from django.db.models import Exists, F, OuterRef, Q, QuerySet, Subquery
from django.utils import timezone

from portal.connections.models import Connection
from portal.core import queue
from portal.jobs.applicant_emails.subscriptions import INSTANT_INTERVAL, find_period_end
from portal.jobs.models import ApplicantDigest, ApplicantSubscription, DigestPart
from portal.notifications.message_queue import MessageQueue
from portal.sync.models import Application

SEND_TASK = "portal.jobs.tasks.send_applicant_digest"
# Rows get their time when they are written, and appear when their page of the sync is committed.
COMMIT_MARGIN = timedelta(minutes=1)
Frequency = ApplicantSubscription.Frequency
MESSAGES = MessageQueue(
    model=ApplicantDigest,
    label="emails about new applicants",
    send_task=SEND_TASK,
    organization="membership__organization",
)


def queue_due_digests() -> None:
    """Queue one digest for each member and period that is over. Raises RetryLater when its turn is
    over.
    """
    turn = queue.TaskTurn()
    for _, subscriptions in groupby(_list_due(), key=lambda s: (s.membership_id, s.frequency)):
        _claim_period(list(subscriptions))
        turn.end_if_over()


def _list_due() -> QuerySet[ApplicantSubscription]:
    now = timezone.now()
    arrivals = _list_arrivals(now - COMMIT_MARGIN)
    return (
        ApplicantSubscription.objects.alias(
            live_connection=Subquery(_list_live_connections().values("pk")[:1])
        )
        .filter(
            Q(frequency=Frequency.DAILY)
            | Q(Exists(arrivals.filter(job=OuterRef("job"))))
            | Q(Exists(arrivals.filter(connection=OuterRef("live_connection"))), job=None),
            live_connection__isnull=False,
            due_at__lte=now,
            membership__ended_at=None,
            membership__user__is_active=True,
        )
        .exclude(membership__user__notification_preference__paused_until__gt=now)
        .annotate(
            zone_name=F("membership__user__notification_preference__time_zone"),
            organization_id=F("membership__organization"),
        )
        .order_by("membership", "frequency", "due_at")
    )


def _list_live_connections() -> QuerySet[Connection]:
    return Connection.objects.filter(
        organization=OuterRef("membership__organization"),
        state__in=Connection.LIVE_STATES | {Connection.State.ACTION_NEEDED},
    )


def _list_arrivals(until: datetime) -> QuerySet[Application]:
    """What may be new to an instant subscription; whether it may be seen is decided later."""
    return Application.objects.filter(
        first_seen_at__gt=OuterRef("covered_until"), first_seen_at__lte=until
    )


def _claim_period(subscriptions: Sequence[ApplicantSubscription]) -> None:
    try:
        with transaction.atomic():
            digest = ApplicantDigest.objects.create(
                membership_id=subscriptions[0].membership_id,
                frequency=subscriptions[0].frequency,
                period_end=_get_period_end(subscriptions),
            )
            parts = [_claim_part(subscription, digest) for subscription in subscriptions]
            DigestPart.objects.bulk_create(part for part in parts if part is not None)
            queue.enqueue_task(
                SEND_TASK,
                digest.pk,
                organization_id=subscriptions[0].organization_id,  # type: ignore[attr-defined]
            )
    except IntegrityError:
        return  # this period has its digest: what is left is for the next


def _get_period_end(subscriptions: Sequence[ApplicantSubscription]) -> datetime:
    if subscriptions[0].frequency == Frequency.INSTANT:
        next_end = find_period_end(Frequency.INSTANT, "", after=timezone.now())
        return next_end - INSTANT_INTERVAL
    return max(subscription.due_at for subscription in subscriptions)


def _claim_part(subscription: ApplicantSubscription, digest: ApplicantDigest) -> DigestPart | None:
    now, begins_at = timezone.now(), subscription.covered_until
    ends_at = max(now - COMMIT_MARGIN, begins_at)
    zone_name = subscription.zone_name or ""  # type: ignore[attr-defined]
    unclaimed = ApplicantSubscription.objects.filter(
        pk=subscription.pk,
        frequency=subscription.frequency,
        due_at=subscription.due_at,
        covered_until=begins_at,
    )
    is_claimed = unclaimed.update(
        due_at=find_period_end(subscription.frequency, zone_name, after=now),
        covered_until=ends_at,
    )
    if not is_claimed:
        return None
    return DigestPart(
        digest=digest, subscription=subscription, begins_at=begins_at, ends_at=ends_at
    )
