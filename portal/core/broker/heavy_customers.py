"""Customers who used much of the workers' time lately, with slow tasks or with many, come after
all others, share half of the workers, and wait for a spare core. Syncs take long anyway and have a
limit of their own.
"""

from __future__ import annotations

import time
from collections.abc import Iterable

from portal.core.broker.lanes import LeasedTask
from portal.core.cpu_load import has_spare_core
from portal.core.models import QueueLane
from portal.core.recent_use import RecentUse

HEAVY_SECONDS = 3.0
MEMORY_SECONDS = 30.0
MAX_WAIT_FOR_CORE = 1.0  # seconds; then one of their tasks starts anyway


class HeavyCustomers:
    def __init__(self, workers: int) -> None:
        self._limit = max(1, workers // 2)
        self._customer_limit = max(1, self._limit // 2)  # so that its clicks can overtake
        self._recent_use = RecentUse[int](MEMORY_SECONDS)
        self._running: dict[int, tuple[int, float]] = {}  # by task: customer, counted until
        self._last_start_at = 0.0  # of a heavy customer's task

    @property
    def has_running(self) -> bool:
        return bool(self._running)

    def note_start(self, task: LeasedTask) -> None:
        now = time.monotonic()
        if task.organization_id and task.lane != QueueLane.SYNCS:
            self._running[task.task_id] = task.organization_id, now
            if self.is_heavy(task.organization_id):
                self._last_start_at = now

    def note_running(self, leased: Iterable[LeasedTask]) -> None:
        """Count the time since the last call, also of tasks that ended since."""
        now = time.monotonic()
        leased_ids = {task.task_id for task in leased}
        for task_id, (customer, counted_until) in list(self._running.items()):
            self._recent_use.add(customer, now - counted_until)
            if task_id in leased_ids:
                self._running[task_id] = customer, now
            else:
                del self._running[task_id]

    def is_heavy(self, customer: int) -> bool:
        return self._recent_use.get(customer) >= HEAVY_SECONDS

    def may_start(self, lane: QueueLane, customer: int) -> bool:
        """Of a heavy customer: whether one more of its tasks may run."""
        if lane == QueueLane.SYNCS:
            return True
        running = [other for other, _ in self._running.values() if self.is_heavy(other)]
        leaves_place = lane == QueueLane.CLICKS or running.count(customer) < self._customer_limit
        return leaves_place and len(running) < self._limit

    def waits_for_core(self, lane: QueueLane) -> bool:
        """Of a heavy customer's task that may start; somebody waits for a click."""
        if lane in (QueueLane.CLICKS, QueueLane.SYNCS):
            return False
        is_overdue = time.monotonic() - self._last_start_at > MAX_WAIT_FOR_CORE
        return not is_overdue and not has_spare_core()
