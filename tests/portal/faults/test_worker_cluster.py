"""A real cluster that loses a worker process and its database connections."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.db import connection
from django.db.models.functions import Now
from django_q.brokers import get_broker

from portal.core import queue
from portal.core.models import QueuedTask, QueueLane, SharedState
from portal.core.queue import TaskOptions
from tests.workers import WorkerProcesses

TASK = "tests.queue_tasks.kill_first_worker"


@pytest.fixture(autouse=True)
def _declared_task(transactional_db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    options = {TASK: TaskOptions(QueueLane.CLICKS)}
    monkeypatch.setattr("portal.core.broker.lanes._OPTIONS_BY_TASK", options)


def _wait_for(is_reached: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not is_reached():
        assert time.monotonic() < deadline, list(QueuedTask.objects.values())
        time.sleep(0.02)


def _has_value(task_number: int, value: bytes) -> bool:
    rows = SharedState.objects.filter(key=f"task {task_number}")
    return [bytes(row.value) for row in rows] == [value]


def _run_task_that_kills_its_worker() -> None:
    queue.enqueue_task(TASK, 1)
    _wait_for(lambda: _has_value(1, b"started"))
    QueuedTask.objects.update(leased_until=Now() - timedelta(seconds=1))  # another takes it


def _close_other_connections() -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )


@pytest.mark.slow("starts a cluster and kills its worker")
def test_cluster_survives_killed_worker_and_connections() -> None:
    with WorkerProcesses(1) as workers:
        _run_task_that_kills_its_worker()
        _wait_for(lambda: _has_value(1, b"done"))
        _wait_for(lambda: not QueuedTask.objects.exists())
        if connection.vendor == "postgresql":
            _close_other_connections()
        SharedState.objects.update(value=b"started")
        queue.enqueue_task(TASK, 1)
        _wait_for(lambda: _has_value(1, b"done"))
        assert workers.alive_count == 1
    get_broker().purge_queue()


@pytest.mark.slow("starts a cluster and kills its processes")
def test_cluster_survives_killed_idle_processes() -> None:
    with WorkerProcesses(1) as workers:
        _run_task_that_kills_its_worker()
        _wait_for(lambda: not QueuedTask.objects.exists())
        workers.kill_idle_processes()
        SharedState.objects.update(value=b"started")
        queue.enqueue_task(TASK, 1)
        _wait_for(lambda: _has_value(1, b"done"))
    get_broker().purge_queue()
