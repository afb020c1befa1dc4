"""Choose the task that a worker runs next: by lane, then by the customers' turns, then by age.

In SQL of our own: this runs for every task, and has to cost the same however many wait.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator
from datetime import datetime
from typing import Any
from uuid import uuid4

from django.db import connection, transaction
from django.utils import timezone

from portal.core.broker.heavy_customers import HeavyCustomers
from portal.core.broker.lanes import LeasedTask, WorkerShares
from portal.core.broker.leases import LEASE_DURATION, TaskLease
from portal.core.models import QueuedTask, QueueLane

# A longer list of customers is used again, for this many times as long as it took to read.
LONG_LIST_SIZE, REUSE_FACTOR = 100, 10

_NEXT_DUE_SQL = "(SELECT MIN(due_at) FROM core_queuedtask WHERE lane = %s AND leased_until IS NULL)"
# A row for each leased task, or one without any.
_QUEUE_SQL = """
SELECT {next_due_times}, task.id, task.lane, task.organization_id
FROM (SELECT 1) AS one LEFT JOIN core_queuedtask task
    ON task.leased_until IS NOT NULL AND task.leased_by = %s
"""
# Customers with a due task, longest unserved first. The recursion jumps from customer to customer
# in the index, so a customer with many tasks costs no more than another.
_WAITING_CUSTOMERS_SQL = """
WITH RECURSIVE waiting (organization_id) AS (
    SELECT MIN(organization_id) FROM core_queuedtask
    WHERE lane = %(lane)s AND leased_until IS NULL AND due_at <= %(now)s
    UNION ALL
    SELECT (
        SELECT MIN(task.organization_id) FROM core_queuedtask task
        WHERE task.lane = %(lane)s AND task.leased_until IS NULL AND task.due_at <= %(now)s
            AND task.organization_id > waiting.organization_id
    ) FROM waiting WHERE waiting.organization_id IS NOT NULL
)
SELECT waiting.organization_id FROM waiting LEFT JOIN core_queueturn turn
    ON turn.lane = %(lane)s AND turn.organization_id = waiting.organization_id
WHERE waiting.organization_id IS NOT NULL
ORDER BY turn.last_served_at NULLS FIRST, CASE WHEN turn.last_served_at IS NULL THEN (
    SELECT MIN(task.due_at) FROM core_queuedtask task
    WHERE task.lane = %(lane)s AND task.leased_until IS NULL
        AND task.organization_id = waiting.organization_id
) END
"""
_LEASE_SQL = """
UPDATE core_queuedtask SET leased_until = {lease_end}, leased_by = %(cluster_id)s,
    lease_token = %(token)s, delivery_count = delivery_count + 1
WHERE leased_until IS NULL AND id = (
    SELECT id FROM core_queuedtask
    WHERE lane = %(lane)s AND organization_id = %(organization_id)s AND leased_until IS NULL
        AND due_at <= %(now)s
    ORDER BY due_at, id LIMIT 1 {lock}
)
RETURNING id, task, payload
"""
_TURN_SQL = """
INSERT INTO core_queueturn (lane, organization_id, last_served_at)
{values}
ON CONFLICT (lane, organization_id) DO UPDATE SET last_served_at = EXCLUDED.last_served_at
"""


class TaskSelector:
    """Leases tasks for one cluster."""

    def __init__(self, cluster_id: str, shares: WorkerShares) -> None:
        self._cluster_id, self._shares = cluster_id, shares
        self._heavy_customers = HeavyCustomers(shares.workers)
        self.waits_for_core = False  # since the last look: a task of a heavy customer
        self._customers: dict[QueueLane, list[int]] = {lane: [] for lane in shares.lanes}
        self._reusable_until = dict.fromkeys(shares.lanes, 0.0)

    def read_queue(self) -> tuple[dict[QueueLane, datetime], list[LeasedTask]]:
        """Return when each lane's next waiting task is due, and what this cluster has leased."""
        lanes = self._shares.lanes
        # Subqueries, because each is answered by the first row of an index.
        columns = ", ".join([_NEXT_DUE_SQL] * len(lanes))
        rows = _execute(
            _QUEUE_SQL.format(next_due_times=columns),
            [*(lane.value for lane in lanes), self._cluster_id],
        )
        due_times = {
            lane: _parse_database_time(due_at)
            for lane, due_at in zip(lanes, rows[0], strict=False)
            if due_at is not None
        }
        leased = [row[len(lanes) :] for row in rows]
        return due_times, [LeasedTask(*task) for task in leased if task[0] is not None]

    def lease_next_task(
        self, due_lanes: Collection[QueueLane], leased: list[LeasedTask]
    ) -> tuple[TaskLease, QueuedTask] | None:
        self.waits_for_core = False
        if not (due_lanes or self._heavy_customers.has_running):
            return None
        self._heavy_customers.note_running(leased)
        heavy_candidates = []
        for lane, organization_id in self._iterate_candidates(due_lanes, leased):
            if self._heavy_customers.is_heavy(organization_id):
                heavy_candidates.append((lane, organization_id))
            elif task := self._lease_first_task(lane, organization_id):
                return task
        return self._lease_heavy_task(heavy_candidates)

    def _lease_heavy_task(
        self, candidates: list[tuple[QueueLane, int]]
    ) -> tuple[TaskLease, QueuedTask] | None:
        for lane, organization_id in candidates:
            if not self._heavy_customers.may_start(lane, organization_id):
                continue
            if self._heavy_customers.waits_for_core(lane):
                self.waits_for_core = True
            elif task := self._lease_first_task(lane, organization_id):
                return task
        return None

    def _iterate_candidates(
        self, due_lanes: Collection[QueueLane], leased: list[LeasedTask]
    ) -> Iterator[tuple[QueueLane, int]]:
        for lane in due_lanes:
            if not self._shares.is_lane_open(lane, leased):
                continue
            busy_customers = self._shares.list_busy_customers(lane, leased)
            for read_customers in (self._reuse_customers, self._read_customers):
                for organization_id in read_customers(lane):
                    if organization_id not in busy_customers:
                        yield lane, organization_id

    def _reuse_customers(self, lane: QueueLane) -> list[int]:
        if time.monotonic() >= self._reusable_until[lane]:
            self._customers[lane] = []
        return self._customers[lane][:]

    def _read_customers(self, lane: QueueLane) -> list[int]:
        started_at = time.monotonic()
        parameters = {"lane": lane.value, "now": _adapt_time(timezone.now())}
        customers = [row[0] for row in _execute(_WAITING_CUSTOMERS_SQL, parameters)]
        finished_at = time.monotonic()
        if len(customers) > LONG_LIST_SIZE:
            self._customers[lane] = customers
            self._reusable_until[lane] = finished_at + REUSE_FACTOR * (finished_at - started_at)
        return customers[:]

    def _lease_first_task(
        self, lane: QueueLane, organization_id: int
    ) -> tuple[TaskLease, QueuedTask] | None:
        """None if other clusters took the customer's due tasks."""
        token = uuid4().hex
        parameters = {
            "lane": lane.value,
            "organization_id": organization_id,
            "now": _adapt_time(timezone.now()),
            "cluster_id": self._cluster_id,
            "token": token,
        }
        rows = _lease_row(parameters)
        if organization_id in self._customers[lane]:
            self._customers[lane].remove(organization_id)  # its turn in this round is over
        for pk, task, payload in rows:
            self._heavy_customers.note_start(LeasedTask(pk, lane.value, organization_id))
            row = QueuedTask(pk=pk, task=task, payload=payload, organization_id=organization_id)
            return TaskLease(pk, token, self._cluster_id), row
        return None


def _lease_row(parameters: dict[str, Any]) -> list[tuple[Any, ...]]:
    """Lease the row and note the customer's turn."""
    seconds = LEASE_DURATION.total_seconds()
    if connection.vendor == "postgresql":  # in one statement
        lease_sql = _LEASE_SQL.format(
            lease_end=f"STATEMENT_TIMESTAMP() + INTERVAL '{seconds} seconds'",
            lock="FOR UPDATE SKIP LOCKED",
        )
        turn_sql = _TURN_SQL.format(
            values="SELECT %(lane)s, %(organization_id)s, %(now)s FROM leased"
        )
        return _execute(
            f"WITH leased AS ({lease_sql}), turn AS ({turn_sql}) TABLE leased", parameters
        )
    lease_sql = _LEASE_SQL.format(
        lease_end=f"STRFTIME('%%Y-%%m-%%d %%H:%%M:%%f', 'NOW', '+{seconds} seconds')", lock=""
    )
    turn_sql = _TURN_SQL.format(values="VALUES (%(lane)s, %(organization_id)s, %(now)s)")
    with transaction.atomic():
        rows = _execute(lease_sql, parameters)
        if rows:
            with connection.cursor() as cursor:
                cursor.execute(turn_sql, parameters)
    return rows


def _execute(sql: str, parameters: Any) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters)
        return list(cursor.fetchall())


def _adapt_time(moment: datetime) -> Any:
    return connection.ops.adapt_datetimefield_value(moment)


def _parse_database_time(value: datetime | str) -> datetime:
    # SQLite returns text, in UTC.
    return value if isinstance(value, datetime) else datetime.fromisoformat(value + "+00:00")
