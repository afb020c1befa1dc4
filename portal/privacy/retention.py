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
from django.db import models
from django.db.models import Max, QuerySet
from django.utils import timezone

from portal.accounts.models import ActivityPeriod
from portal.applications.models import ApplicationAction, Batch, ResumeView
from portal.connections.models import ApiCall, CheckRun, FixLink
from portal.core import queue
from portal.core.models import QueueTurn, SharedState, Transition
from portal.decisions import retention as decision_retention
from portal.issues.models import Issue
from portal.jobs.models import ApplicantDigest
from portal.members.models import Invitation
from portal.notifications.models import ChatMessage, Notification, OutgoingEmail
from portal.support.models import Impersonation
from portal.sync import schedule
from portal.sync.models import (
    NO_FINGERPRINTS,
    Application,
    AtsUser,
    Candidate,
    FreshnessHour,
    JobGrant,
    SyncRun,
)
from portal.sync.records import candidate_erasure
from portal.webhooks.models import Delivery

logger = logging.getLogger(__name__)

BATCH_SIZE = 2_000  # rows per statement, to keep locks short
# Gone candidates are erased by the sync that notices; this covers syncs that stopped half-way.
ERASURE_GRACE = timedelta(days=1)


@dataclass(frozen=True)
class RetentionRule:
    """`setting` names the number of days; empty where rows carry their own expiry."""

    model: type[models.Model]
    setting: str
    list_expired: Callable[[datetime], QuerySet[Any]]

    @property
    def label(self) -> str:
        return self.model._meta.label


def _build_age_rule(model: type[models.Model], setting: str, *fields: str) -> RetentionRule:
    """Rows expire once all of these times are over the age."""

    def list_expired(cutoff: datetime) -> QuerySet[Any]:
        return model._default_manager.filter(**{f"{field}__lt": cutoff for field in fields})

    return RetentionRule(model, setting, list_expired)


def _get_latest_check_ids(**filters: Any) -> QuerySet[Any]:
    checks = CheckRun.objects.filter(**filters).order_by().values("credential")
    return checks.annotate(newest=Max("pk")).values("newest")


def _list_expired_checks(until: datetime) -> QuerySet[Any]:
    # A credential's latest completed check tells its permissions: keep it, and the latest of all.
    old = CheckRun.objects.filter(finished_at__lt=until).exclude(pk__in=_get_latest_check_ids())
    return old.exclude(pk__in=_get_latest_check_ids(status=CheckRun.Status.DONE))


# docs/data.md lists these as well; a test compares the two.
RETENTION_RULES = (
    _build_age_rule(ApiCall, "REQUEST_LOG_DAYS", "at"),
    _build_age_rule(Delivery, "REQUEST_LOG_DAYS", "received_at"),
    RetentionRule(SyncRun, "SYNC_DAYS", lambda _: schedule.list_expired_runs()),
    _build_age_rule(Notification, "NOTIFICATION_DAYS", "created_at"),
    _build_age_rule(ApplicantDigest, "NOTIFICATION_DAYS", "created_at"),
    _build_age_rule(ChatMessage, "NOTIFICATION_DAYS", "created_at"),
    _build_age_rule(OutgoingEmail, "NOTIFICATION_DAYS", "created_at"),
    _build_age_rule(Invitation, "NOTIFICATION_DAYS", "expires_at"),
    _build_age_rule(FixLink, "NOTIFICATION_DAYS", "expires_at"),
    _build_age_rule(Transition, "EVENT_DAYS", "at"),
    _build_age_rule(Issue, "EVENT_DAYS", "closed_at"),
    _build_age_rule(Impersonation, "EVENT_DAYS", "ended_at"),
    _build_age_rule(LogEntry, "EVENT_DAYS", "action_time"),
    RetentionRule(CheckRun, "EVENT_DAYS", _list_expired_checks),
    # Actions settle after they are queued; the redundant first condition uses an index.
    _build_age_rule(ApplicationAction, "ACTION_DAYS", "queued_at", "settled_at"),
    RetentionRule(
        Batch, "ACTION_DAYS", lambda d: Batch.objects.filter(created_at__lt=d, actions=None)
    ),
    _build_age_rule(ResumeView, "ACTION_DAYS", "last_at"),
    _build_age_rule(AtsUser, "DELETED_RECORD_DAYS", "gone_at"),
    _build_age_rule(JobGrant, "DELETED_RECORD_DAYS", "gone_at"),
    _build_age_rule(QueueTurn, "DELETED_RECORD_DAYS", "last_served_at"),
    _build_age_rule(ActivityPeriod, "FRESHNESS_DAYS", "last_at"),
    _build_age_rule(FreshnessHour, "FRESHNESS_DAYS", "hour"),
    _build_age_rule(SharedState, "", "expires_at"),
    _build_age_rule(Session, "", "expire_date"),
    RetentionRule(UserSession, "", lambda now: _list_orphaned_user_sessions(now)),
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
    deleted_count += decision_retention.delete_expired(
        now, batch_size=BATCH_SIZE, after_batch=turn.end_if_over
    )
    _clear_expired_answers(_get_cutoff("DELETED_RECORD_DAYS", now))
    candidate_erasure.erase_gone_candidates(
        Candidate.objects.filter(gone_at__lt=now - ERASURE_GRACE)
    )
    return deleted_count + queue.delete_task_results(_get_cutoff("NOTIFICATION_DAYS", now))


def _get_cutoff(setting: str, now: datetime) -> datetime:
    return now - timedelta(days=getattr(settings, setting)) if setting else now


def delete_in_batches(rows: QuerySet[Any], *, after_batch: Callable[[], None] | None = None) -> int:
    """Return the number of deleted rows, including cascades but not the rows' transitions."""
    deleted_count = 0
    while keys := list(rows.order_by().values_list("pk", flat=True)[:BATCH_SIZE]):
        # Transitions refer to their subject without a foreign key.
        if hasattr(rows.model, "MOVES"):
            label = rows.model._meta.label_lower
            Transition.objects.filter(subject=label, subject_id__in=keys).delete()
        deleted_count += rows.model._base_manager.filter(pk__in=keys).delete()[0]
        if after_batch is not None:
            after_batch()
    return deleted_count


def _clear_expired_answers(until: datetime) -> None:
    expired = Application.objects.filter(gone_at__lt=until).exclude(answers=[], custom={})
    while keys := list(expired.values_list("pk", flat=True)[:BATCH_SIZE]):
        Application.objects.filter(pk__in=keys).update(answers=[], custom={}, **NO_FINGERPRINTS)


def _list_orphaned_user_sessions(now: datetime) -> QuerySet[Any]:
    # Recent ones are kept: a session that is just starting may not be stored yet.
    cutoff = now - timedelta(seconds=settings.SESSION_COOKIE_AGE)
    alive = Session.objects.filter(expire_date__gte=now).values("session_key")
    ended: QuerySet[Any] = UserSession.objects.filter(created_at__lt=cutoff)
    return ended.exclude(session_key__in=alive)
