"""Django-Q's broker on the database: a task becomes visible with its own transaction's commit.

The pusher takes a task only when a worker is idle and the task may start (`lanes.WorkerShares`).
"""

from __future__ import annotations

import logging
import socket
import time
from contextlib import suppress
from datetime import timedelta
from typing import Any
from uuid import uuid4
from zlib import crc32

from django.conf import settings
from django.db import Error, connection, transaction
from django.utils import timezone
from django_q.brokers import Broker
from django_q.signing import BadSignature, SignedPackage

from portal.core import outbox_fence
from portal.core.broker import leases, ticker, wakeups
from portal.core.broker.lanes import (
    TaskWithoutLane,
    WorkerShares,
    get_served_lanes,
    get_task_options,
)
from portal.core.broker.leases import TaskLease
from portal.core.broker.selection import TaskSelector
from portal.core.broker.task_call import TaskCall
from portal.core.database.paired_writes import build_insert
from portal.core.models import QueuedTask

logger = logging.getLogger(__name__)

MAX_WAIT_SECONDS = 1.0  # then the pusher sees whether it should stop
# Django-Q enqueues all schedules of a minute at once: each task is due at a moment of its own, so
# that clicks and syncs of that second don't wait for all of them.
SCHEDULE_SPREAD = timedelta(seconds=10)
CORE_POLL_SECONDS = 0.1  # while a heavy customer's task waits for a spare core
RELEASE_INTERVAL_SECONDS = 5.0
REPAIR_INTERVAL_SECONDS = 30.0
# For tasks that this cluster cannot read: its SECRET_KEY or QUEUE_NAME may be wrong.
UNREADABLE_RETRY = timedelta(minutes=1)


class DatabaseBroker(Broker):
    def __init__(self, list_key: str | None = None) -> None:
        super().__init__(list_key)
        self.cluster_id = f"{socket.gethostname()[:40]}:{uuid4().hex[:12]}"
        self.lanes = get_served_lanes()
        shares = WorkerShares(settings.Q_CLUSTER["workers"], self.lanes)
        self._selector = TaskSelector(self.cluster_id, shares)
        self._wakeups: wakeups.Wakeups | None = None  # opened after the fork
        self._next_look_at = self._next_release_at = self._next_repair_at = 0.0
        self._is_away = False

    def enqueue(self, task: str) -> int:
        """Called for schedules. A sweep that still waits is not enqueued again."""
        path = str(SignedPackage.loads(task)["func"])
        waiting = QueuedTask.objects.filter(task=path, arguments="", leased_until=None)
        row_id = waiting.values_list("pk", flat=True).first()
        try:
            return row_id or insert_task(path, task, due_at=timezone.now() + _compute_delay(path))
        except TaskWithoutLane:  # of a newer release, whose clusters enqueue it
            logger.warning("The scheduled task %s is not declared", path)
            return 0

    def dequeue(self) -> list[tuple[TaskLease, str]] | None:
        """Return a task that may start now, or None after at most MAX_WAIT_SECONDS."""
        if not self._wait_for_next_look():
            return None
        try:
            task = self.take_task()
        except Error as error:
            self._note_absence(error)
            return None
        if self._is_away:
            logger.info("The database responds again")
            self._is_away = False
        return [task] if task else None

    def take_task(self) -> tuple[TaskLease, str] | None:
        """Lease a task that may start now; none after a restored backup."""
        if outbox_fence.is_fenced_recently():
            self._next_look_at = time.monotonic() + outbox_fence.CHECK_SECONDS
            return None
        self._maintain_rows()
        now = timezone.now()
        due_times, leased = self._selector.read_queue()
        due_lanes = [lane for lane in self.lanes if lane in due_times and due_times[lane] <= now]
        taken = self._selector.lease_next_task(due_lanes, leased)
        if taken is not None:
            lease, row = taken
            return lease, _prepare_payload(row)
        seconds = [(due_at - now).total_seconds() for due_at in due_times.values() if due_at > now]
        poll_seconds = self._wakeups.poll_seconds if self._wakeups else 0.0
        if self._selector.waits_for_core:
            poll_seconds = min(poll_seconds, CORE_POLL_SECONDS)
        self._next_look_at = time.monotonic() + min([poll_seconds, *seconds])
        return None

    def _wait_for_next_look(self) -> bool:
        if self._wakeups is None:
            self._wakeups = wakeups.open_wakeups([*self.lanes, self.cluster_id])
            ticker.start_ticker()
        remaining_seconds = self._next_look_at - time.monotonic()
        if remaining_seconds <= 0:
            return True
        was_woken = self._wakeups.wait(min(remaining_seconds, MAX_WAIT_SECONDS))
        return was_woken or self._next_look_at <= time.monotonic()

    def _note_absence(self, error: Error) -> None:
        if not self._is_away:
            logger.warning("No task can be taken from the database: %s", error)
        self._is_away = True
        self._next_look_at = time.monotonic() + MAX_WAIT_SECONDS
        connection.close()

    def _maintain_rows(self) -> None:
        now = time.monotonic()
        if now >= self._next_release_at:
            self._next_release_at = now + RELEASE_INTERVAL_SECONDS
            leases.release_expired_leases()
        if now >= self._next_repair_at:
            self._next_repair_at = now + REPAIR_INTERVAL_SECONDS
            leases.repair_due_times()

    def acknowledge(self, task_id: TaskLease) -> None:
        """Called by the monitor if the worker could not complete the task itself."""
        try:
            leases.complete_task(task_id)
        except Error as error:
            logger.warning("A task will be delivered again: %s", error)
            connection.close()

    def fail(self, task_id: TaskLease) -> None:
        leases.return_task(task_id, timezone.now() + UNREADABLE_RETRY)

    def delete(self, task_id: TaskLease) -> None:
        self.acknowledge(task_id)

    def queue_size(self) -> int:
        """Count the tasks that are due and wait."""
        return QueuedTask.objects.filter(leased_until=None, due_at__lte=timezone.now()).count()

    def lock_size(self) -> int:
        return QueuedTask.objects.filter(leased_until__isnull=False).count()

    def purge_queue(self) -> None:
        QueuedTask.objects.all().delete()

    def delete_queue(self) -> None:
        self.purge_queue()

    def ping(self) -> bool:
        try:
            QueuedTask.objects.exists()
        except Error:
            return False
        return True

    def set_stat(self, key: str, value: str, timeout: int) -> None:
        """Django-Q's own monitor is not used; it would write twice a second."""

    def info(self) -> str:
        return f"Database ({connection.vendor})"


def _compute_delay(path: str) -> timedelta:
    return SCHEDULE_SPREAD * (crc32(path.encode()) % 1000) / 1000


def insert_task(path: str, payload: str, **fields: Any) -> int:
    """Insert in the current transaction, and wake the workers when it commits. Returns the key."""
    now = timezone.now()
    fields["due_at"] = max(fields.get("due_at") or now, now)
    lane = get_task_options(path).lane
    row = QueuedTask(lane=lane, task=path, payload=payload, enqueued_at=now, **fields)
    # Later ones are seen by polling.
    is_due_soon = (row.due_at - now).total_seconds() < wakeups.LISTENING_POLL_SECONDS
    if is_due_soon and connection.vendor == "postgresql":
        return _insert_and_notify(row)
    row.save(force_insert=True)
    return int(row.pk)


def _insert_and_notify(row: QueuedTask) -> int:
    statement, values = build_insert([row])
    statement += " RETURNING id, pg_notify(%s, lane)"
    with transaction.mark_for_rollback_on_error(), connection.cursor() as cursor:
        cursor.execute(statement, [*values, wakeups.CHANNEL])
        return int(cursor.fetchone()[0])


def _prepare_payload(row: QueuedTask) -> str:
    try:
        package = SignedPackage.loads(row.payload)
    except BadSignature:
        return row.payload  # the pusher fails it
    package["func"] = TaskCall(row.task)
    # Stored with a failure, so that the task can be enqueued again for the same customer.
    package["kwargs"] = {"organization_id": row.organization_id} if row.organization_id else {}
    with suppress(TaskWithoutLane):  # declared by an older release only
        if timeout_seconds := get_task_options(row.task).timeout_seconds:
            package["timeout"] = timeout_seconds
    payload: str = SignedPackage.dumps(package)
    return payload
