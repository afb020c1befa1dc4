"""Customers whose tasks take long share half of the workers, however many such customers there are:
their Greenhouse is probably slow. Syncs take long anyway and have a limit of their own.
"""

from __future__ import annotations

import time
from collections.abc import Iterable

from portal.core.broker.lanes import LeasedTask
from portal.core.models import QueueLane

SLOW_TASK_SECONDS = 3.0
SLOW_FOR_SECONDS = 120.0  # after the last slow task


class SlowCustomers:
    def __init__(self, workers: int) -> None:
        self._limit = max(1, workers // 2)
        self._started_at: dict[int, float] = {}  # by task
        self._slow_until: dict[int, float] = {}  # by customer

    def list_waiting(self, leased: Iterable[LeasedTask]) -> set[int]:
        """Return slow customers who may start nothing now."""
        tasks = [task for task in leased if _is_short_lane(task)]
        slow = self._update(tasks, time.monotonic())
        is_full = sum(task.organization_id in slow for task in tasks) >= self._limit
        return slow if is_full else set()

    def _update(self, tasks: list[LeasedTask], now: float) -> set[int]:
        self._started_at = {task.task_id: self._started_at.get(task.task_id, now) for task in tasks}
        for task in tasks:
            if now - self._started_at[task.task_id] >= SLOW_TASK_SECONDS:
                self._slow_until[task.organization_id] = now + SLOW_FOR_SECONDS
        self._slow_until = {
            customer: until for customer, until in self._slow_until.items() if until > now
        }
        return set(self._slow_until)


def _is_short_lane(task: LeasedTask) -> bool:
    return bool(task.organization_id) and task.lane != QueueLane.SYNCS
