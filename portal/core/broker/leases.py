"""Leases on queued tasks. A worker renews its lease; the tasks of a killed one come again.

Leases use the database's clock, which all machines share; due times use the application's.
"""

from __future__ import annotations

import logging
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from django.db import connection
from django.db.models import DurationField, ExpressionWrapper, F, QuerySet
from django.db.models.functions import Now

from portal.core.broker import wakeups
from portal.core.models import QueuedTask

logger = logging.getLogger(__name__)

LEASE_DURATION = timedelta(seconds=20)
# Leases after which a task is dropped: it kills its workers.
MAX_DELIVERIES = 5
# Rows from a clock that was ahead by more than this are due at once.
CLOCK_TOLERANCE = timedelta(seconds=5)


_COMPLETE_SQL = """
WITH completed AS (
    DELETE FROM core_queuedtask WHERE id = %s AND lease_token = %s RETURNING leased_by
) SELECT pg_notify(%s, leased_by) FROM completed
"""


class TaskLease(NamedTuple):
    """What a worker shows to end its turn."""

    task_id: int
    token: str
    cluster_id: str


def renew_lease(lease: TaskLease) -> None:
    _select_leased(lease).update(leased_until=Now() + LEASE_DURATION)


def complete_task(lease: TaskLease) -> None:
    if connection.vendor == "postgresql":  # in one statement
        with connection.cursor() as cursor:
            cursor.execute(_COMPLETE_SQL, [lease.task_id, lease.token, wakeups.CHANNEL])
    else:
        _select_leased(lease).delete()


def postpone_task(lease: TaskLease, due_at: datetime) -> None:
    """End the turn; the task comes again at `due_at`."""
    _release(_select_leased(lease), due_at=due_at, delivery_count=0)
    wakeups.notify_cluster(lease.cluster_id)


def return_task(lease: TaskLease, due_at: datetime) -> None:
    """As `postpone_task`, but a failure: dropped after MAX_DELIVERIES."""
    _release(_select_leased(lease), due_at=due_at)
    wakeups.notify_cluster(lease.cluster_id)


def _select_leased(lease: TaskLease) -> QuerySet[QueuedTask]:
    return QueuedTask.objects.filter(pk=lease.task_id, lease_token=lease.token)


def _release(tasks: QuerySet[QueuedTask], **fields: Any) -> None:
    tasks.update(leased_until=None, leased_by="", lease_token="", **fields)


def release_expired_leases() -> None:
    """Let the tasks of workers that were killed start again."""
    expired = QueuedTask.objects.filter(leased_until__lt=Now())
    for task in expired:
        row = expired.filter(pk=task.pk, lease_token=task.lease_token)
        if task.delivery_count < MAX_DELIVERIES:
            logger.warning("The worker of %s stopped responding; another takes it", task)
            _release(row)
        else:
            logger.error("%s is dropped: %d workers stopped responding", task, task.delivery_count)
            row.delete()


def repair_due_times() -> None:
    """Bring forward what a clock that was ahead enqueued."""
    ahead = QueuedTask.objects.filter(leased_until=None, enqueued_at__gt=Now() + CLOCK_TOLERANCE)
    delay = ExpressionWrapper(F("due_at") - F("enqueued_at"), output_field=DurationField())
    ahead.update(due_at=Now() - CLOCK_TOLERANCE + delay, enqueued_at=Now())
