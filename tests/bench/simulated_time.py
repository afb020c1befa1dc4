"""The portal's minutes on a moved clock, in this process, and what they use."""

from __future__ import annotations

import resource
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import time_machine

# Noon, since full syncs are due in the six hours after midnight; of a day that is over, so that a
# sandbox on the true clock issues tokens that last.
NOON = timedelta(hours=12)


@dataclass
class Usage:
    cpu_seconds: float = 0.0
    queries: int = 0
    simulated_seconds: float = 0.0


class QueryCounter:
    """Counts statements of all threads."""

    def __init__(self) -> None:
        from django.db.backends.utils import CursorWrapper

        self.count = 0
        self._lock = threading.Lock()
        for name in ("execute", "executemany"):
            setattr(CursorWrapper, name, self._count_calls(getattr(CursorWrapper, name)))

    def _count_calls(self, method: Callable[..., Any]) -> Callable[..., Any]:
        def execute(*args: Any, **values: Any) -> Any:
            with self._lock:
                self.count += 1
            return method(*args, **values)

        return execute


class SimulatedPortal:
    """Scheduled tasks, every-second hooks and queued tasks, on a clock that is moved ahead."""

    def __init__(self) -> None:
        yesterday = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        self._clock = time_machine.travel(yesterday - timedelta(days=1) + NOON, tick=True).start()
        self._minute = 0
        self._queries = QueryCounter()

    def run_minutes(self, count: int) -> Usage:
        with self.measure_usage() as usage:
            for _ in range(count):
                self._run_minute()
        return usage

    @contextmanager
    def measure_usage(self) -> Iterator[Usage]:
        usage, cpu, queries, began = Usage(), _get_cpu_seconds(), self._queries.count, _get_now()
        yield usage
        usage.cpu_seconds = _get_cpu_seconds() - cpu
        usage.queries = self._queries.count - queries
        usage.simulated_seconds = (_get_now() - began).total_seconds()

    def _run_minute(self) -> None:
        from portal.core.broker.ticker import run_every_second_hooks
        from tests.queue import run_tasks

        self._minute += 1
        began = _get_now()
        for task in self._list_due_tasks():
            _run_all_turns(task)
        run_tasks()
        for second in range(60):
            moment = began + timedelta(seconds=second)
            if moment > _get_now():  # the work may have taken longer
                self._clock.move_to(moment)
            run_every_second_hooks()
        run_tasks()
        self._clock.move_to(max(began + timedelta(minutes=1), _get_now()))

    def _list_due_tasks(self) -> list[Callable[[], None]]:
        from portal.wiring.schedules import SCHEDULES

        return [
            task
            for schedules in SCHEDULES
            for task, minutes in schedules.items()
            if self._minute % minutes == 0
        ]

    def count_finding_queries(self) -> int:
        """Count the queries that find no sync to be due."""
        from portal.sync.tasks import request_due_syncs
        from tests.queue import run_tasks

        counts = []
        for _ in range(4):  # the first looks may find some
            with self.measure_usage() as usage:
                request_due_syncs()
            counts.append(usage.queries)
        run_tasks()
        return min(counts)

    def count_idle_queries(self) -> int:
        """Count the queries of a minute in which nothing is due."""
        from portal.core.broker.ticker import run_every_second_hooks
        from tests.queue import run_tasks

        for task in self._list_due_tasks():
            _run_all_turns(task)
        run_tasks()
        with self.measure_usage() as usage:
            for task in self._list_due_tasks():
                _run_all_turns(task)
            for _ in range(60):
                run_every_second_hooks()
        run_tasks()
        return usage.queries

    def sync_everything(self, connection_ids: list[int]) -> Usage:
        """Run the nightly full sync of these customers."""
        from portal.connections.models import Connection
        from portal.sync.engine import run_lifecycle
        from portal.sync.models import SyncRun
        from tests.queue import run_tasks

        with self.measure_usage() as usage:
            for connection in Connection.objects.filter(pk__in=connection_ids):
                run_lifecycle.request_sync(connection, SyncRun.Scope.FULL)
            run_tasks()
        return usage


def _run_all_turns(task: Callable[[], None]) -> None:
    from portal.core.queue import RetryLater

    is_over = False
    while not is_over:
        try:
            task()
            is_over = True
        except RetryLater as later:
            is_over = later.due_at > _get_now()


def _get_now() -> datetime:
    return datetime.now(UTC)


def _get_cpu_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime
