"""How long a task may work before others go first, and when it continues."""

from __future__ import annotations

import time
from collections import Counter
from datetime import datetime, timedelta

from django.db.models import QuerySet
from django.utils import timezone

from portal.core.database.compiled_queries import compile_once
from portal.core.models import QueuedTask, QueueLane
from portal.core.tenancy.scope import get_scope

TURN_SECONDS = 20.0
MIN_TURN_SECONDS = 1.0
# A worker that is free takes a task at once, so a task that is due for longer waits for one.
_STARTING_TIME = timedelta(seconds=0.3)
# Nobody makes room for a customer with more waiting tasks, and only so many tasks are looked at.
_MOST_TASKS, _LOOKED_AT = 4, 1000


class RetryLater(Exception):
    """Ends a task's turn: the same task comes again at `due_at`. No failure."""

    def __init__(self, due_at: datetime) -> None:
        super().__init__(f"again at {due_at:%Y-%m-%d %H:%M:%S}")
        self.due_at = due_at


class TaskTurn:
    """A long task's turn ends after 20 seconds, or after one if somebody else's click or check
    waits for a worker. Ask where the task can go on from what is stored.
    """

    def __init__(self) -> None:
        now = time.monotonic()
        self._ends_at = now + TURN_SECONDS
        self._looks_at = now + MIN_TURN_SECONDS

    def is_over(self) -> bool:
        now = time.monotonic()
        if now >= self._ends_at:
            return True
        if now < self._looks_at:
            return False
        self._looks_at = now + MIN_TURN_SECONDS
        return _do_others_wait()

    def end_if_over(self) -> None:
        """Raises RetryLater."""
        if self.is_over():
            raise RetryLater(timezone.now())


def _do_others_wait() -> bool:
    scope = get_scope()
    customer = scope.organization_id if scope else None
    customers = _list_waiting_customers(customer or 0, timezone.now() - _STARTING_TIME)
    return bool(customers) and min(Counter(customers).values()) <= _MOST_TASKS


@compile_once
def _list_waiting_customers(customer: int, due_before: datetime) -> QuerySet[QueuedTask, int]:
    """Return other customers (0: none), once for each waiting click or check."""
    waiting = QueuedTask.objects.filter(
        lane__in=[QueueLane.CLICKS, QueueLane.CHECKS], leased_until=None, due_at__lte=due_before
    )
    others = waiting.exclude(organization_id=customer).order_by("due_at")
    return others.values_list("organization_id", flat=True)[:_LOOKED_AT]
