"""Leases on queued tasks. A worker renews its lease; the tasks of a killed one come again.

Leases use the database's clock, which all machines share; due times use the application's.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import uuid4

from django.db import connection, transaction
from django.db.models import F, QuerySet
from django.db.models.functions import Now
from django.utils import timezone

from portal.core.broker import wakeups
from portal.core.broker.lanes import LeasedTask, WorkerShares
from portal.core.models import QueuedTask, QueueLane, QueueTurn

logger = logging.getLogger(__name__)

LEASE_DURATION = timedelta(seconds=20)
# Leases after which a task is dropped: it kills its workers.
MAX_DELIVERIES = 5
# Rows from a clock that was ahead by more than this are due at once.
CLOCK_TOLERANCE = timedelta(seconds=5)
_SPARE_CUSTOMERS = 5  # in case other clusters take the tasks of the first

# Customers with a due task, longest unserved first. The recursion jumps from customer to customer
# in the index, so that a long queue of one costs no more than a short one.
_NEXT_CUSTOMERS_SQL = """
WITH RECURSIVE waiting (organization_id) AS (
    SELECT MIN(organization_id) FROM core_queuedtask
    WHERE lane = %(lane)s AND leased_until IS NULL
    UNION ALL
    SELECT (
        SELECT MIN(task.organization_id) FROM core_queuedtask task
        WHERE task.lane = %(lane)s AND task.leased_until IS NULL
            AND task.organization_id > waiting.organization_id
    ) FROM waiting WHERE waiting.organization_id IS NOT NULL
), due AS (
    SELECT organization_id, (
        SELECT MIN(task.due_at) FROM core_queuedtask task
        WHERE task.lane = %(lane)s AND task.leased_until IS NULL
            AND task.organization_id = waiting.organization_id
    ) AS due_at FROM waiting WHERE organization_id IS NOT NULL
)
SELECT due.organization_id FROM due LEFT JOIN core_queueturn turn
    ON turn.lane = %(lane)s AND turn.organization_id = due.organization_id
WHERE due.due_at <= %(now)s
ORDER BY turn.last_served_at NULLS FIRST, due.due_at
LIMIT %(limit)s
"""


_NEXT_DUE_SQL = "(SELECT MIN(due_at) FROM core_queuedtask WHERE lane = %s AND leased_until IS NULL)"


class TaskLease(NamedTuple):
    """What a worker shows to end its turn."""

    task_id: int
    token: str
    cluster_id: str


def find_next_due_times(lanes: Iterable[QueueLane]) -> dict[QueueLane, datetime]:
    """Return when each lane's next waiting task is due."""
    lanes = tuple(lanes)
    # Subqueries, because each is answered by the first row of an index.
    columns = ", ".join([_NEXT_DUE_SQL] * len(lanes))
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {columns}", [lane.value for lane in lanes])
        due_times = cursor.fetchone()
    return {
        lane: _parse_database_time(due_at)
        for lane, due_at in zip(lanes, due_times, strict=True)
        if due_at is not None
    }


def _parse_database_time(value: datetime | str) -> datetime:
    # SQLite returns text, in UTC.
    return value if isinstance(value, datetime) else datetime.fromisoformat(value + "+00:00")


def lease_task(
    cluster_id: str, shares: WorkerShares, due_lanes: Iterable[QueueLane]
) -> tuple[TaskLease, QueuedTask] | None:
    """Lease the task that a worker of this cluster should run next, if one may start now."""
    leased_rows = QueuedTask.objects.filter(leased_until__isnull=False, leased_by=cluster_id)
    leased = [LeasedTask(*row) for row in leased_rows.values_list("lane", "organization_id")]
    for lane in due_lanes:
        if not shares.is_lane_open(lane, leased):
            continue
        busy_customers = shares.list_busy_customers(lane, leased)
        for organization_id in _list_next_customers(lane, len(busy_customers) + _SPARE_CUSTOMERS):
            if organization_id not in busy_customers and (
                task := _lease_first_task(cluster_id, lane, organization_id)
            ):
                return TaskLease(task.pk, task.lease_token, cluster_id), task
    return None


def _list_next_customers(lane: QueueLane, limit: int) -> list[int]:
    now = connection.ops.adapt_datetimefield_value(timezone.now())
    with connection.cursor() as cursor:
        cursor.execute(_NEXT_CUSTOMERS_SQL, {"lane": lane.value, "now": now, "limit": limit})
        return [row[0] for row in cursor.fetchall()]


@transaction.atomic
def _lease_first_task(cluster_id: str, lane: QueueLane, organization_id: int) -> QueuedTask | None:
    now = timezone.now()
    due = QueuedTask.objects.filter(
        lane=lane, organization_id=organization_id, leased_until=None, due_at__lte=now
    )
    task = due.select_for_update(skip_locked=True).order_by("due_at", "pk").first()
    if task is None:
        return None
    task.lease_token = uuid4().hex
    QueuedTask.objects.filter(pk=task.pk).update(
        leased_until=Now() + LEASE_DURATION,
        leased_by=cluster_id,
        lease_token=task.lease_token,
        delivery_count=F("delivery_count") + 1,
    )
    QueueTurn.objects.bulk_create(
        [QueueTurn(lane=lane, organization_id=organization_id, last_served_at=now)],
        update_conflicts=True,
        unique_fields=["lane", "organization_id"],
        update_fields=["last_served_at"],
    )
    return task


def renew_lease(lease: TaskLease) -> None:
    _select_leased(lease).update(leased_until=Now() + LEASE_DURATION)


def complete_task(lease: TaskLease) -> None:
    _select_leased(lease).delete()
    wakeups.notify_cluster(lease.cluster_id)


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
            logger.warning("The worker of %s fell silent; another takes it", task)
            _release(row)
        else:
            logger.error("%s is dropped: %d workers fell silent", task, task.delivery_count)
            row.delete()


def repair_due_times() -> None:
    """Make tasks due that a clock that was ahead enqueued for later."""
    ahead = QueuedTask.objects.filter(leased_until=None, enqueued_at__gt=Now() + CLOCK_TOLERANCE)
    ahead.update(due_at=Now(), enqueued_at=Now())
