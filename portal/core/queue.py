"""A task carries IDs, its row holds the state. Tasks may be delivered twice, so they start with a
compare-and-swap on their row; sweeps requeue rows left behind.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import Error, connection, transaction
from django.db.models import CharField, Count, Exists, Min, OuterRef, QuerySet
from django.db.models.functions import Cast, Now
from django.dispatch import receiver
from django.utils import timezone
from django_q.models import Schedule, Task
from django_q.signals import post_execute_in_worker, post_spawn, pre_execute
from django_q.tasks import async_task
from structlog.contextvars import bind_contextvars

from portal.core.broker import leases
from portal.core.broker.database_broker import insert_task
from portal.core.broker.lanes import TaskOptions as TaskOptions
from portal.core.broker.lanes import TaskWithoutLane as TaskWithoutLane
from portal.core.broker.lanes import register_task_options as register_task_options
from portal.core.broker.leases import TaskLease
from portal.core.broker.task_turns import RetryLater as RetryLater
from portal.core.broker.task_turns import TaskTurn as TaskTurn
from portal.core.broker.ticker import run_every_second as run_every_second
from portal.core.hooks import Hook
from portal.core.models import QueuedTask, QueueTurn
from portal.core.models import QueueLane as QueueLane
from portal.core.observability import metrics, request_ids, task_spans

logger = logging.getLogger(__name__)

REPAIR_INTERVAL_SECONDS = 30
LEASE_RENEWAL_SECONDS = 5
_last_repaired_at = 0.0


def enqueue_task(
    task: str, *ids: int, organization_id: int | None = None, due_at: datetime | None = None
) -> None:
    """Have a worker call `task` (dotted path) after the current transaction commits, and after
    `due_at`. `organization_id` is the customer whose turn it takes.
    """
    insertion = _Insertion(task, ids, organization_id or 0, due_at)
    async_task(
        task,
        *ids,
        task_name=task.rsplit(".", 1)[-1],
        group=request_ids.build_task_group(),
        broker=insertion,
    )


@dataclass(frozen=True)
class _Insertion:
    """The part of a broker that `async_task` calls."""

    task: str
    ids: tuple[int, ...]
    organization_id: int
    due_at: datetime | None

    @property
    def list_key(self) -> str:
        return self.task

    def enqueue(self, payload: str) -> int:
        return insert_task(
            self.task,
            payload,
            arguments=_join_ids(self.ids),
            organization_id=self.organization_id,
            due_at=self.due_at,
        )


def _join_ids(ids: tuple[int, ...]) -> str:
    return ",".join(map(str, ids))


def resubmit_failed_task(failed_task: Task) -> None:
    """Enqueue a failed task again, for the same customer, and delete its failure. Raises
    TaskWithoutLane for a task that is no longer declared.
    """
    organization_id = (failed_task.kwargs or {}).get("organization_id")
    with transaction.atomic():
        enqueue_task(failed_task.func, *failed_task.args, organization_id=organization_id)
        failed_task.delete()


def exclude_queued(rows: QuerySet[Any], task: str) -> QuerySet[Any]:
    """Those rows for which `task` neither waits nor runs. Select with this before a limit, or the
    many that one customer has waiting would hide another's lost ones.
    """
    arguments = Cast(OuterRef("pk"), CharField(max_length=100))
    tasks = QueuedTask.objects.filter(task=task, arguments=arguments)
    return rows.filter(~Exists(tasks))


def requeue_lost_tasks(task: str, organization_ids: Mapping[int, int | None]) -> None:
    """Enqueue `task` for those IDs for which it neither waits nor runs."""
    arguments = [_join_ids((pk,)) for pk in organization_ids]
    tasks = QueuedTask.objects.filter(task=task, arguments__in=arguments)
    queued = set(tasks.values_list("arguments", flat=True))
    for pk, organization_id in organization_ids.items():
        if _join_ids((pk,)) not in queued:
            enqueue_task(task, pk, organization_id=organization_id)


@dataclass
class _RunningTask:
    lease: TaskLease | None  # None: not from this queue
    started_at: float
    renewed_at: float


# Called in the worker when a task has returned or failed.
task_ended: Hook[[], None] = Hook()
_running_task: _RunningTask | None = None  # a process runs one task at a time


@receiver(pre_execute)
def record_task_start(task: dict[str, Any], **_: Any) -> None:
    global _running_task
    parent = request_ids.adopt_task_group(task.get("group"))
    bind_contextvars(task=str(task.get("func")))
    task_spans.start_span(str(task.get("func")), parent)
    now = time.monotonic()
    _running_task = _RunningTask(task.get("ack_id"), started_at=now, renewed_at=now)


@receiver(post_execute_in_worker)
def _end_task(task: dict[str, Any], **_: Any) -> None:
    global _running_task
    task_ended.run()
    running, _running_task = _running_task, None
    if running is None:
        return
    seconds = time.monotonic() - running.started_at
    name, succeeded = str(task.get("func")), bool(task.get("success"))
    metrics.observe_task(name, succeeded=succeeded, seconds=seconds)
    task_spans.end_span(succeeded=succeeded)
    if running.lease is not None:
        _end_lease(running.lease, task)
    request_ids.log_task(name, succeeded=succeeded, seconds=seconds)


def _end_lease(lease: TaskLease, task: dict[str, Any]) -> None:
    """End it in the worker, which is idle now; Django-Q's monitor stores the result first."""
    later = task.get("result")
    try:
        if isinstance(later, RetryLater):
            # Django-Q stores one result for each task, not for each turn.
            task["save"], task["result"] = False, str(later)
            leases.postpone_task(lease, later.due_at)
        else:
            leases.complete_task(lease)
        task["ack_id"] = None
    except Error as error:
        if isinstance(later, RetryLater):
            task["ack_id"] = None
        logger.warning("A task's lease could not be ended: %s", error)


def renew_lease_if_due() -> None:
    running, now = _running_task, time.monotonic()
    if running and running.lease and now - running.renewed_at >= LEASE_RENEWAL_SECONDS:
        running.renewed_at = now
        leases.renew_lease(running.lease)


def register_schedules(tasks: Mapping[str, int]) -> None:
    """Replace all schedules by these: dotted path of the task, interval in minutes."""
    for task, minutes in tasks.items():
        Schedule.objects.update_or_create(
            name=task,
            defaults={
                "func": task,
                "schedule_type": Schedule.MINUTES,
                "minutes": minutes,
                "repeats": -1,
            },
        )
    Schedule.objects.exclude(name__in=tasks).delete()


def repair_schedules() -> None:
    """Bring schedules back that a wrong clock moved further away than their interval."""
    # By the database's clock, which all workers share.
    for minutes in set(Schedule.objects.values_list("minutes", flat=True)):
        latest_run = Now() + timedelta(minutes=minutes or 0)
        Schedule.objects.filter(minutes=minutes, next_run__gt=latest_run).update(next_run=Now())


def _repair_schedules_if_due() -> None:
    global _last_repaired_at
    now = time.monotonic()
    if now - _last_repaired_at >= REPAIR_INTERVAL_SECONDS:
        _last_repaired_at = now
        repair_schedules()


def _start_renewal_thread(**_: Any) -> None:
    threading.Thread(target=_renew_leases, daemon=True, name="lease-renewal").start()


def _renew_leases() -> None:
    while True:
        time.sleep(1)
        try:
            renew_lease_if_due()
        except Error as error:
            logger.warning("A task's lease could not be renewed: %s", error)
            connection.close()


post_spawn.connect(_start_renewal_thread)
run_every_second(_repair_schedules_if_due)


@dataclass(frozen=True)
class LaneStatus:
    """`waiting_count` and `oldest_due_at` are of tasks that are due."""

    lane: QueueLane
    waiting_count: int
    oldest_due_at: datetime | None

    @property
    def oldest_age_seconds(self) -> float:
        if self.oldest_due_at is None:
            return 0.0
        return max(0.0, (timezone.now() - self.oldest_due_at).total_seconds())


def list_lane_statuses() -> list[LaneStatus]:
    due = QueuedTask.objects.filter(leased_until=None, due_at__lte=timezone.now())
    rows = due.values_list("lane").annotate(waiting_count=Count("pk"), oldest_due_at=Min("due_at"))
    counts = {lane: (count, oldest) for lane, count, oldest in rows}
    return [LaneStatus(lane, *counts.get(lane.value, (0, None))) for lane in QueueLane]


def list_unserved_lanes() -> list[QueueLane]:
    """Return lanes with due tasks from which nothing was taken for WORKER_TIMEOUT_MINUTES."""
    cutoff = timezone.now() - timedelta(minutes=settings.WORKER_TIMEOUT_MINUTES)
    recent_turns = QueueTurn.objects.filter(last_served_at__gte=cutoff)
    served = set(recent_turns.values_list("lane", flat=True))
    return [
        status.lane
        for status in list_lane_statuses()
        if status.oldest_due_at and status.oldest_due_at < cutoff and status.lane not in served
    ]


def delete_task_results(before: datetime) -> int:
    return int(Task.objects.filter(stopped__lt=before).delete()[0])
