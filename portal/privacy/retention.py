"""Retention rules: rows deleted by age; the audit record is kept forever (docs/audit.md)."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from allauth.usersessions.models import UserSession
from django.conf import settings
from django.contrib.admin.models import LogEntry
from django.contrib.sessions.models import Session
from django.db.models import Max, QuerySet
from django.utils import timezone

from portal.accounts.models import ActivityPeriod
from portal.applications.models import ApplicationAction, Batch
from portal.connections.models import ApiCall, CheckRun, FixLink
from portal.core import queue
from portal.core.models import QueueTurn, SharedState, Transition
from portal.issues.models import Issue
from portal.members.models import Invitation
from portal.notifications.models import ChatMessage, Notification, OutgoingEmail
from portal.support.models import Impersonation
from portal.sync import schedule
from portal.sync.models import Application, AtsUser, Candidate, FreshnessHour, JobGrant
from portal.sync.records import candidate_erasure
from portal.webhooks.models import Delivery

logger = logging.getLogger(__name__)

BATCH_SIZE = 2_000  # rows per statement, to keep locks short
# Gone candidates are erased by the sync that notices; this covers syncs that stopped half-way.
ERASURE_GRACE = timedelta(days=1)


@dataclass(frozen=True)
class RetentionRule:
    """`setting` names the number of days; empty where rows carry their own expiry."""

    label: str
    setting: str
    list_expired: Callable[[datetime], QuerySet[Any]]


def _get_latest_check_ids(**filters: Any) -> QuerySet[Any]:
    checks = CheckRun.objects.filter(**filters).order_by().values("credential")
    return checks.annotate(newest=Max("pk")).values("newest")


def _list_expired_checks(until: datetime) -> QuerySet[Any]:
    # A credential's latest completed check tells its permissions: keep it, and the latest of all.
    old = CheckRun.objects.filter(finished_at__lt=until).exclude(pk__in=_get_latest_check_ids())
    return old.exclude(pk__in=_get_latest_check_ids(status=CheckRun.Status.DONE))


# docs/data.md lists these as well; a test compares the two.
RETENTION_RULES = (
    RetentionRule(
        "connections.ApiCall", "REQUEST_LOG_DAYS", lambda d: ApiCall.objects.filter(at__lt=d)
    ),
    RetentionRule(
        "webhooks.Delivery",
        "REQUEST_LOG_DAYS",
        lambda d: Delivery.objects.filter(received_at__lt=d),
    ),
    RetentionRule("sync.SyncRun", "SYNC_DAYS", lambda _: schedule.list_expired_runs()),
    RetentionRule(
        "notifications.Notification",
        "NOTIFICATION_DAYS",
        lambda d: Notification.objects.filter(created_at__lt=d),
    ),
    RetentionRule(
        "notifications.ChatMessage",
        "NOTIFICATION_DAYS",
        lambda d: ChatMessage.objects.filter(created_at__lt=d),
    ),
    RetentionRule(
        "notifications.OutgoingEmail",
        "NOTIFICATION_DAYS",
        lambda d: OutgoingEmail.objects.filter(created_at__lt=d),
    ),
    RetentionRule(
        "members.Invitation",
        "NOTIFICATION_DAYS",
        lambda d: Invitation.objects.filter(expires_at__lt=d),
    ),
    RetentionRule(
        "connections.FixLink",
        "NOTIFICATION_DAYS",
        lambda d: FixLink.objects.filter(expires_at__lt=d),
    ),
    RetentionRule("core.Transition", "EVENT_DAYS", lambda d: Transition.objects.filter(at__lt=d)),
    RetentionRule("issues.Issue", "EVENT_DAYS", lambda d: Issue.objects.filter(closed_at__lt=d)),
    RetentionRule(
        "support.Impersonation",
        "EVENT_DAYS",
        lambda d: Impersonation.objects.filter(ended_at__lt=d),
    ),
    RetentionRule(
        "admin.LogEntry", "EVENT_DAYS", lambda d: LogEntry.objects.filter(action_time__lt=d)
    ),
    RetentionRule("connections.CheckRun", "EVENT_DAYS", _list_expired_checks),
    RetentionRule(
        "applications.ApplicationAction",
        "ACTION_DAYS",
        # Actions settle after they are queued; the redundant first condition uses an index.
        lambda d: ApplicationAction.objects.filter(queued_at__lt=d, settled_at__lt=d),
    ),
    RetentionRule(
        "applications.Batch",
        "ACTION_DAYS",
        lambda d: Batch.objects.filter(created_at__lt=d, actions=None),
    ),
    RetentionRule(
        "sync.AtsUser", "DELETED_RECORD_DAYS", lambda d: AtsUser.objects.filter(gone_at__lt=d)
    ),
    RetentionRule(
        "sync.JobGrant", "DELETED_RECORD_DAYS", lambda d: JobGrant.objects.filter(gone_at__lt=d)
    ),
    RetentionRule(
        "core.QueueTurn",
        "DELETED_RECORD_DAYS",
        lambda d: QueueTurn.objects.filter(last_served_at__lt=d),
    ),
    RetentionRule(
        "accounts.ActivityPeriod",
        "FRESHNESS_DAYS",
        lambda d: ActivityPeriod.objects.filter(last_at__lt=d),
    ),
    RetentionRule(
        "sync.FreshnessHour",
        "FRESHNESS_DAYS",
        lambda d: FreshnessHour.objects.filter(hour__lt=d),
    ),
    RetentionRule(
        "core.SharedState", "", lambda now: SharedState.objects.filter(expires_at__lt=now)
    ),
    RetentionRule("sessions.Session", "", lambda now: Session.objects.filter(expire_date__lt=now)),
    RetentionRule("usersessions.UserSession", "", lambda now: _list_orphaned_user_sessions(now)),
)


def delete_expired_rows() -> int:
    """Delete rows past their retention period and return how many. Raises RetryLater when its turn
    is over.
    """
    now, turn = timezone.now(), queue.TaskTurn()
    deleted_count = 0
    for rule in RETENTION_RULES:
        deleted = delete_in_batches(
            rule.list_expired(_get_cutoff(rule.setting, now)), after_batch=turn.end_if_over
        )
        if deleted:
            logger.info("Deleted %d expired rows of %s", deleted, rule.label)
        deleted_count += deleted
    _clear_expired_answers(_get_cutoff("DELETED_RECORD_DAYS", now))
    candidate_erasure.erase_gone_candidates(
        Candidate.objects.filter(gone_at__lt=now - ERASURE_GRACE)
    )
    return deleted_count + queue.delete_task_results(_get_cutoff("NOTIFICATION_DAYS", now))


def _get_cutoff(setting: str, now: datetime) -> datetime:
    return now - timedelta(days=getattr(settings, setting)) if setting else now


def delete_in_batches(rows: QuerySet[Any], *, after_batch: Callable[[], None] | None = None) -> int:
    """Return the number of deleted rows, including cascades."""
    deleted_count = 0
    while keys := list(rows.order_by().values_list("pk", flat=True)[:BATCH_SIZE]):
        deleted_count += rows.model._base_manager.filter(pk__in=keys).delete()[0]
        if after_batch is not None:
            after_batch()
    return deleted_count


def _clear_expired_answers(until: datetime) -> None:
    expired = Application.objects.filter(gone_at__lt=until).exclude(answers=[], custom={})
    while keys := list(expired.values_list("pk", flat=True)[:BATCH_SIZE]):
        Application.objects.filter(pk__in=keys).update(answers=[], custom={}, fingerprint=None)


def _list_orphaned_user_sessions(now: datetime) -> QuerySet[Any]:
    # Recent ones are kept: a session that is just starting may not be stored yet.
    cutoff = now - timedelta(seconds=settings.SESSION_COOKIE_AGE)
    alive = Session.objects.filter(expire_date__gte=now).values("session_key")
    ended: QuerySet[Any] = UserSession.objects.filter(created_at__lt=cutoff)
    return ended.exclude(session_key__in=alive)
