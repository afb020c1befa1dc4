"""A task carries IDs, its row holds the state. Brokers may deliver a task twice or (Redis) lose it,
so tasks start with a compare-and-swap on their row, and sweeps requeue rows left behind.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from functools import cache, partial
from typing import Any

import redis
from django.db import Error, close_old_connections, transaction
from django.db.models.functions import Now
from django.dispatch import receiver
from django_q.brokers import Broker, get_broker
from django_q.models import Schedule, Task
from django_q.signals import post_execute_in_worker, post_spawn, pre_execute
from django_q.tasks import async_task

from portal.core import metrics, request_ids
from portal.core.models import QueueLane as QueueLane

logger = logging.getLogger(__name__)

_EVERY_SECOND_HOOKS: list[Callable[[], object]] = []
REPAIR_INTERVAL_SECONDS = 30
_last_repaired_at = 0.0
_started_at_by_task: dict[str, float] = {}  # by task ID


class RetryLater(Exception):
    """Ends a task's turn: the same task comes again at `due_at`. No failure."""

    def __init__(self, due_at: datetime) -> None:
        super().__init__(f"due at {due_at:%H:%M:%S}")
        self.due_at = due_at


def enqueue_task(
    task: str, *ids: int, organization_id: int | None = None, due_at: datetime | None = None
) -> None:
    """Have a worker call `task` (dotted path) once the current transaction commits."""
    transaction.on_commit(
        partial(_send_to_broker, task, *ids, group=request_ids.build_task_group())
    )


@cache  # one broker connection per process, so that no request waits for a new one
def _get_broker() -> Broker:
    return get_broker()


def _send_to_broker(task: str, *ids: int, group: str) -> None:
    # The row is stored by now: a task that no broker takes only waits.
    try:
        async_task(task, *ids, task_name=task.rsplit(".", 1)[-1], group=group, broker=_get_broker())
    except (redis.RedisError, OSError, Error):
        logger.exception("The broker does not take %s; the sweep asks again", task)


@receiver(pre_execute)
def record_task_start(task: dict[str, Any], **_: Any) -> None:
    request_ids.adopt_task_group(task.get("group"))
    # One task at a time per process; a killed one leaves its entry behind.
    _started_at_by_task.clear()
    _started_at_by_task[str(task.get("id"))] = time.monotonic()


@receiver(post_execute_in_worker)
def _record_task_duration(task: dict[str, Any], **_: Any) -> None:
    started_at = _started_at_by_task.pop(str(task.get("id")), None)
    if started_at is not None:
        name, succeeded = str(task.get("func")), bool(task.get("success"))
        metrics.observe_task(name, succeeded=succeeded, seconds=time.monotonic() - started_at)


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


def is_broker_reachable() -> bool:
    try:
        return bool(get_broker().ping())
    except (redis.RedisError, OSError):
        return False


def run_every_second(hook: Callable[[], object]) -> None:
    """Call `hook` each second in a thread of every worker process, for work due at a moment. Hooks
    must be quick (one query, one `enqueue_task`) and safe to run concurrently.
    """
    _EVERY_SECOND_HOOKS.append(hook)


def _start_ticker_thread(**_: Any) -> None:
    threading.Thread(target=_run_ticker, daemon=True, name="each-second").start()


def _run_ticker() -> None:
    while True:
        time.sleep(1)
        run_every_second_hooks()


def run_every_second_hooks() -> None:
    for hook in _EVERY_SECOND_HOOKS:
        try:
            hook()
        except Exception:
            logger.exception("Looking at what is due failed; the next second tries again")
    close_old_connections()


post_spawn.connect(_start_ticker_thread)
run_every_second(_repair_schedules_if_due)


def get_queue_depth() -> int | None:
    try:
        return int(get_broker().queue_size())
    except (redis.RedisError, OSError):
        return None


def delete_task_results(before: datetime) -> int:
    return int(Task.objects.filter(stopped__lt=before).delete()[0])
