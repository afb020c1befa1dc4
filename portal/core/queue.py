"""The one door to the queue. A task carries ids, never values; its row holds the truth.

Brokers may deliver a task twice or, with Redis, lose it when a worker dies: so every task begins
with a compare-and-swap on its row, and the sweep asks again for rows that stayed behind.
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
from django.db import close_old_connections, transaction
from django.db.models.functions import Now
from django.dispatch import receiver
from django_q.brokers import Broker, get_broker
from django_q.models import Schedule, Task
from django_q.signals import post_execute_in_worker, post_spawn, pre_execute
from django_q.tasks import async_task

from portal.core import measure, trace

logger = logging.getLogger(__name__)

_EACH_SECOND: list[Callable[[], object]] = []
SECONDS_BETWEEN_MENDINGS = 30
_mended = 0.0
_begun: dict[str, float] = {}  # when the task of this process began, by its id


def enqueue(task: str, *ids: int) -> None:
    """Have a worker call `task` (dotted path) with `ids` once the present transaction commits."""
    transaction.on_commit(partial(_hand_over, task, *ids, group=trace.group()))


@cache
def _broker() -> Broker:
    """The broker, connected once per process: a click does not wait for another connection."""
    return get_broker()


def _hand_over(task: str, *ids: int, group: str) -> None:
    """Give the task to the broker. The row is stored by now: without a broker it only waits."""
    try:
        async_task(task, *ids, task_name=task.rsplit(".", 1)[-1], group=group, broker=_broker())
    except (redis.RedisError, OSError):
        logger.exception("The broker does not take %s; the sweep asks again", task)


@receiver(pre_execute)
def take_up(task: dict[str, Any], **_: Any) -> None:
    """A worker begins a task: go on under the id of the request that asked for it."""
    trace.take_up(task.get("group"))
    _begun.clear()  # one task at a time in a process; one that was ended by force left its own
    _begun[str(task.get("id"))] = time.monotonic()


@receiver(post_execute_in_worker)
def _measured(task: dict[str, Any], **_: Any) -> None:
    """A worker has ended a task, in the process that did it."""
    began = _begun.pop(str(task.get("id")), None)
    if began is not None:
        name, well = str(task.get("func")), bool(task.get("success"))
        measure.task(name, well=well, seconds=time.monotonic() - began)


def by_the_clock(tasks: Mapping[str, int]) -> None:
    """Have exactly these tasks called, each every so many minutes; other schedules end."""
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


def mend_schedules() -> None:
    """Bring back what would come too late because a clock was ahead, or was set back: no schedule
    is further away than it is long. By the database's clock: there is one for all workers.
    """
    for minutes in set(Schedule.objects.values_list("minutes", flat=True)):
        furthest = Now() + timedelta(minutes=minutes or 0)
        Schedule.objects.filter(minutes=minutes, next_run__gt=furthest).update(next_run=Now())


def _mend_now_and_then() -> None:
    global _mended
    now = time.monotonic()
    if now - _mended >= SECONDS_BETWEEN_MENDINGS:
        _mended = now
        mend_schedules()


def reachable() -> bool:
    """Whether the broker answers."""
    try:
        return bool(get_broker().ping())
    except (redis.RedisError, OSError):
        return False


def every_second(look: Callable[[], object]) -> None:
    """Have `look` called each second, in a thread of every worker process.

    For what is due at a moment: schedules are looked at twice a minute only. Keep it to one quick
    query and an `enqueue`; several workers call it, so it must bear being called twice at once.
    """
    _EACH_SECOND.append(look)


def _watch_the_clock(**_: Any) -> None:
    threading.Thread(target=_tick, daemon=True, name="each-second").start()


def _tick() -> None:
    while True:
        time.sleep(1)
        tick()


def tick() -> None:
    """Call everything that asked for it by `every_second`, once."""
    for look in _EACH_SECOND:
        try:
            look()
        except Exception:
            logger.exception("Looking at what is due failed; the next second tries again")
    close_old_connections()


post_spawn.connect(_watch_the_clock)
every_second(_mend_now_and_then)


def depth() -> int | None:
    """How many tasks wait, None when the broker does not answer."""
    try:
        return int(get_broker().queue_size())
    except (redis.RedisError, OSError):
        return None


def forget_results(before: datetime) -> int:
    """Drop what ended tasks left behind before this moment; gives how many."""
    return int(Task.objects.filter(stopped__lt=before).delete()[0])
