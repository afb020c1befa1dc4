"""What is kept for a while only: everything that ends by its age, in one place.

`KEPT` is the whole list; docs/data.md tells it to people and a test compares the two. The audit
record is not in it: it is kept for good (docs/audit.md).
"""

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

from portal.applications.models import ApplicationAction, Batch
from portal.connections.models import ApiCall, CheckRun, FixLink
from portal.core import queue
from portal.core.models import SharedState, Transition
from portal.issues.models import Issue
from portal.members.models import Invitation
from portal.mirror import people, schedule
from portal.mirror.models import Application, AtsUser, Candidate, JobGrant
from portal.notices.models import ChatPost, Notice
from portal.support.models import Look
from portal.webhooks.models import Delivery

logger = logging.getLogger(__name__)

BATCH = 2_000  # rows in one statement: others are not kept waiting
# Who is gone is erased by the sync that found it; one that stopped half-way is not waited for long.
UNERASED = timedelta(days=1)


@dataclass(frozen=True)
class Kept:
    """Rows that end by their age. `setting` names how many days; "" where they carry their end."""

    label: str
    setting: str
    old: Callable[[datetime], QuerySet[Any]]


def _newest_checks(**which: Any) -> QuerySet[Any]:
    """One for each credential."""
    checks = CheckRun.objects.filter(**which).order_by().values("credential")
    return checks.annotate(newest=Max("pk")).values("newest")


def _old_checks(until: datetime) -> QuerySet[Any]:
    """What a credential may do is known from its newest check that reached its end."""
    old = CheckRun.objects.filter(finished_at__lt=until).exclude(pk__in=_newest_checks())
    return old.exclude(pk__in=_newest_checks(status=CheckRun.Status.DONE))


KEPT = (
    Kept("connections.ApiCall", "REQUEST_LOG_DAYS", lambda d: ApiCall.objects.filter(at__lt=d)),
    Kept(
        "webhooks.Delivery",
        "REQUEST_LOG_DAYS",
        lambda d: Delivery.objects.filter(received_at__lt=d),
    ),
    Kept("mirror.SyncRun", "SYNC_DAYS", lambda _: schedule.old_runs()),
    Kept("notices.Notice", "NOTICE_DAYS", lambda d: Notice.objects.filter(created_at__lt=d)),
    Kept("notices.ChatPost", "NOTICE_DAYS", lambda d: ChatPost.objects.filter(created_at__lt=d)),
    Kept(
        "members.Invitation",
        "NOTICE_DAYS",
        lambda d: Invitation.objects.filter(expires_at__lt=d),
    ),
    Kept("connections.FixLink", "NOTICE_DAYS", lambda d: FixLink.objects.filter(expires_at__lt=d)),
    Kept("core.Transition", "EVENT_DAYS", lambda d: Transition.objects.filter(at__lt=d)),
    Kept("issues.Issue", "EVENT_DAYS", lambda d: Issue.objects.filter(closed_at__lt=d)),
    Kept("support.Look", "EVENT_DAYS", lambda d: Look.objects.filter(ended_at__lt=d)),
    Kept("admin.LogEntry", "EVENT_DAYS", lambda d: LogEntry.objects.filter(action_time__lt=d)),
    Kept("connections.CheckRun", "EVENT_DAYS", _old_checks),
    Kept(
        "applications.ApplicationAction",
        "ACTION_DAYS",
        # Settled after it was asked for: the first half of it is quick to find.
        lambda d: ApplicationAction.objects.filter(queued_at__lt=d, settled_at__lt=d),
    ),
    Kept(
        "applications.Batch",
        "ACTION_DAYS",
        lambda d: Batch.objects.filter(created_at__lt=d, actions=None),
    ),
    Kept("mirror.AtsUser", "GONE_DAYS", lambda d: AtsUser.objects.filter(gone_at__lt=d)),
    Kept("mirror.JobGrant", "GONE_DAYS", lambda d: JobGrant.objects.filter(gone_at__lt=d)),
    Kept("core.SharedState", "", lambda now: SharedState.objects.filter(expires_at__lt=now)),
    Kept("sessions.Session", "", lambda now: Session.objects.filter(expire_date__lt=now)),
    Kept("usersessions.UserSession", "", lambda now: _without_session(now)),
)


def forget() -> int:
    """Drop what is older than the deployment keeps it; gives how many rows went."""
    now = timezone.now()
    dropped = 0
    for kept in KEPT:
        gone = drop(kept.old(_until(kept.setting, now)))
        if gone:
            logger.info("Dropped %d of %s by their age", gone, kept.label)
        dropped += gone
    _forget_answers(_until("GONE_DAYS", now))
    people.erase_gone(Candidate.objects.filter(gone_at__lt=now - UNERASED))
    return dropped + queue.forget_results(_until("NOTICE_DAYS", now))


def _until(setting: str, now: datetime) -> datetime:
    return now - timedelta(days=getattr(settings, setting)) if setting else now


def drop(rows: QuerySet[Any]) -> int:
    """Delete these rows in batches; gives how many went, with what hung on them."""
    dropped = 0
    while keys := list(rows.order_by().values_list("pk", flat=True)[:BATCH]):
        dropped += rows.model._base_manager.filter(pk__in=keys).delete()[0]
    return dropped


def _forget_answers(until: datetime) -> None:
    """What people wrote into applications that Greenhouse no longer has."""
    gone = Application.objects.filter(gone_at__lt=until).exclude(answers=[], custom={})
    while keys := list(gone.values_list("pk", flat=True)[:BATCH]):
        Application.objects.filter(pk__in=keys).update(answers=[], custom={}, fingerprint=None)


def _without_session(now: datetime) -> QuerySet[Any]:
    """Where somebody was signed in from, once the session has ended. One that begins just now may
    not be stored yet.
    """
    begun = now - timedelta(seconds=settings.SESSION_COOKIE_AGE)
    alive = Session.objects.filter(expire_date__gte=now).values("session_key")
    ended: QuerySet[Any] = UserSession.objects.filter(created_at__lt=begun)
    return ended.exclude(session_key__in=alive)
