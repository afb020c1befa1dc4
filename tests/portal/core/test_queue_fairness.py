"""Lanes, turns of customers and shares of the workers."""

from __future__ import annotations

import time
from datetime import timedelta
from types import SimpleNamespace

import pytest
from django.conf import settings
from django.db import transaction
from django.utils import timezone
from django_q.brokers import get_broker
from pytest_django import Settings

from portal.core import queue
from portal.core.broker import heavy_customers, leases
from portal.core.broker.database_broker import DatabaseBroker
from portal.core.broker.heavy_customers import (
    HEAVY_SECONDS,
    MAX_WAIT_FOR_CORE,
    MEMORY_SECONDS,
)
from portal.core.broker.leases import TaskLease
from portal.core.models import QueuedTask, QueueLane

CLICK = "portal.applications.tasks.send_action"
CHECK = "portal.sync.tasks.refresh_record"
SYNC = "portal.sync.tasks.run_sync"


@pytest.fixture
def workers(transactional_db: None, settings: Settings, request: pytest.FixtureRequest) -> int:
    """Four worker processes, or as many as the test's parameter says."""
    count = getattr(request, "param", 4)
    settings.Q_CLUSTER = settings.Q_CLUSTER | {"workers": count}
    return count


def _enqueue(task: str, organization_id: int, count: int = 1) -> None:
    with transaction.atomic():
        for _ in range(count):
            queue.enqueue_task(task, 1, organization_id=organization_id)


class Cluster:
    """A cluster whose workers keep what they take until told."""

    def __init__(self) -> None:
        self.broker: DatabaseBroker = get_broker()
        self.running: list[tuple[TaskLease, QueuedTask]] = []

    def start_all(self) -> list[tuple[str, int]]:
        """Start what may start; returns lane and customer of each, in order."""
        started = []
        while taken := self.broker.take_task():
            task = QueuedTask.objects.get(pk=taken[0].task_id)
            self.running.append((taken[0], task))
            started.append((task.lane, task.organization_id))
        return started

    def finish_first(self) -> None:
        leases.complete_task(self.running.pop(0)[0])

    def serve(self, count: int) -> list[int]:
        """Run so many tasks after each other; returns their customers in order."""
        served = []
        for _ in range(count):
            lease, _ = self.broker.take_task()
            served.append(QueuedTask.objects.get(pk=lease.task_id).organization_id)
            leases.complete_task(lease)
        return served


def test_long_queue_delays_others_by_one_turn(workers: int) -> None:
    _enqueue(CHECK, 1, count=500)
    cluster = Cluster()
    cluster.serve(3)
    _enqueue(CHECK, 2)
    assert 2 in cluster.serve(2)


def test_customers_take_turns(workers: int) -> None:
    for organization_id in (3, 1, 2):
        _enqueue(CHECK, organization_id, count=3)
    assert Cluster().serve(9) == [3, 1, 2] * 3


def test_longest_unserved_goes_first(workers: int) -> None:
    _enqueue(CHECK, 1, count=3)
    _enqueue(CHECK, 2, count=1)
    cluster = Cluster()
    assert cluster.serve(3) == [1, 2, 1]
    _enqueue(CHECK, 2)
    assert cluster.serve(2) == [2, 1]


def test_customers_own_tasks_keep_order(workers: int) -> None:
    for pk in (5, 3, 4):
        queue.enqueue_task(CHECK, pk, organization_id=1)
    cluster = Cluster()
    order = []
    for _ in range(3):
        lease, _ = cluster.broker.take_task()
        order.append(QueuedTask.objects.get(pk=lease.task_id).arguments)
        leases.complete_task(lease)
    assert order == ["5", "3", "4"]


def test_clicks_overtake(workers: int) -> None:
    _enqueue(SYNC, 1)
    _enqueue(CHECK, 2)
    _enqueue(CLICK, 3)
    lanes = [lane for lane, _ in Cluster().start_all()]
    assert lanes == ["clicks", "checks", "syncs"]


@pytest.mark.parametrize(
    ("workers", "syncs", "checks"),
    [(1, 1, 0), (2, 1, 0), (3, 1, 1), (4, 2, 1), (8, 4, 3)],
    indirect=["workers"],
)
def test_later_lanes_leave_workers_free(workers: int, syncs: int, checks: int) -> None:
    for organization_id in range(1, 11):
        _enqueue(SYNC, organization_id)
    cluster = Cluster()
    assert len(cluster.start_all()) == syncs
    for organization_id in range(11, 21):
        _enqueue(CHECK, organization_id)
    assert len(cluster.start_all()) == checks
    for organization_id in range(21, 31):
        _enqueue(CLICK, organization_id)
    assert len(cluster.start_all()) == workers - syncs - checks


@pytest.mark.parametrize(
    ("workers", "most"), [(1, 1), (2, 1), (4, 2), (5, 2), (8, 4)], indirect=["workers"]
)
def test_customer_gets_half_the_workers(workers: int, most: int) -> None:
    for task in (CLICK, CHECK, SYNC):
        _enqueue(task, 1, count=20)
    cluster = Cluster()
    assert len(cluster.start_all()) == most
    _enqueue(CLICK, 2, count=20)
    assert {customer for _, customer in cluster.start_all()} <= {2}


def test_syncing_customer_can_still_click(workers: int) -> None:
    _enqueue(SYNC, 1, count=5)
    cluster = Cluster()
    assert cluster.start_all() == [("syncs", 1)]
    _enqueue(CLICK, 1)
    assert cluster.start_all() == [("clicks", 1)]


def test_worker_that_is_free_takes_next(workers: int) -> None:
    for organization_id in range(1, 11):
        _enqueue(CLICK, organization_id)
    cluster = Cluster()
    assert len(cluster.start_all()) == workers
    cluster.finish_first()
    assert len(cluster.start_all()) == 1


def test_clusters_never_share_a_task(workers: int) -> None:
    for organization_id in range(1, 7):
        _enqueue(CLICK, organization_id)
    first, second = Cluster(), Cluster()
    started = first.start_all() + second.start_all()
    assert sorted(customer for _, customer in started) == [1, 2, 3, 4, 5, 6]


def test_scheduled_task_takes_its_turn(workers: int) -> None:
    _enqueue(CHECK, 1, count=50)
    cluster = Cluster()
    cluster.serve(2)
    queue.enqueue_task("portal.sync.tasks.request_due_syncs")
    assert 0 in cluster.serve(2)


@pytest.mark.parametrize("workers", [2], indirect=True)
def test_cluster_serves_only_its_lanes(workers: int, settings: Settings) -> None:
    settings.QUEUE_LANES = ["syncs"]
    for task in (CLICK, CHECK, SYNC):
        _enqueue(task, 1)
        _enqueue(task, 2)
    assert Cluster().start_all() == [("syncs", 1), ("syncs", 2)]


def test_lane_statuses_count_due_tasks(workers: int) -> None:
    _enqueue(CHECK, 1, count=3)
    _enqueue(CLICK, 1)
    queue.enqueue_task(CLICK, 1, due_at=timezone.now() + timedelta(hours=1))
    Cluster().serve(1)
    counts = {status.lane: status.waiting_count for status in queue.list_lane_statuses()}
    assert counts == {QueueLane.CLICKS: 0, QueueLane.CHECKS: 3, QueueLane.SYNCS: 0}


def test_default_workers_serve_every_lane() -> None:
    assert settings.Q_CLUSTER["queue_limit"] == 1
    assert set(settings.QUEUE_LANES) == set(QueueLane.values)


def test_last_worker_is_for_another_customer(workers: int) -> None:
    _enqueue(CLICK, 1, count=2)
    _enqueue(CLICK, 2, count=2)
    cluster = Cluster()
    assert len(cluster.start_all()) == 3
    _enqueue(CLICK, 3)
    assert cluster.start_all() == [("clicks", 3)]


@pytest.fixture(autouse=True)
def cores(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """Whether a core of the machine is idle: the tests' own may be busy."""
    cores = SimpleNamespace(is_idle=True)
    monkeypatch.setattr(heavy_customers, "has_spare_core", lambda: cores.is_idle)
    return cores


def _let_time_pass(monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    now = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now + seconds)


def test_slow_customers_share_half_of_the_workers(
    workers: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    _enqueue(CLICK, 1)
    _enqueue(CLICK, 2)
    cluster = Cluster()
    cluster.start_all()
    _let_time_pass(monkeypatch, HEAVY_SECONDS)
    for customer in (1, 2):
        _enqueue(CLICK, customer, count=2)
    assert cluster.start_all() == []
    _enqueue(CLICK, 3)
    _enqueue(CLICK, 4)
    assert {customer for _, customer in cluster.start_all()} == {3, 4}


def test_customer_with_much_work_comes_after_others(
    workers: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    _let_time_pass(monkeypatch, 0)
    _enqueue(CHECK, 1, count=20)
    cluster = Cluster()
    for _ in range(6):
        cluster.start_all()
        _let_time_pass(monkeypatch, HEAVY_SECONDS / 10)
        cluster.finish_first()
        cluster.finish_first()
    assert cluster.start_all() == [("checks", 1)]  # one of the half that such customers share
    cluster.finish_first()
    _enqueue(CLICK, 1)
    _enqueue(CHECK, 2)
    _enqueue(SYNC, 3)
    assert cluster.start_all() == [("checks", 2), ("syncs", 3), ("clicks", 1)]


def test_much_work_is_forgotten(workers: int, monkeypatch: pytest.MonkeyPatch) -> None:
    _enqueue(CLICK, 1)
    cluster = Cluster()
    cluster.start_all()
    _let_time_pass(monkeypatch, 2 * HEAVY_SECONDS)
    cluster.finish_first()
    assert cluster.start_all() == []
    _let_time_pass(monkeypatch, MEMORY_SECONDS)
    _enqueue(CLICK, 1, count=2)
    _enqueue(CHECK, 2)
    assert cluster.start_all() == [("clicks", 1), ("clicks", 1), ("checks", 2)]


def _start_with_heavy_customer(monkeypatch: pytest.MonkeyPatch) -> Cluster:
    """Customer 1 has used much worker time."""
    _enqueue(CHECK, 1)
    cluster = Cluster()
    cluster.start_all()
    _let_time_pass(monkeypatch, 2 * HEAVY_SECONDS)
    cluster.finish_first()
    return cluster


def test_heavy_customer_waits_for_an_idle_core(
    workers: int, cores: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    cluster = _start_with_heavy_customer(monkeypatch)
    _enqueue(CHECK, 1, count=20)
    assert cluster.start_all() == [("checks", 1)]
    cluster.finish_first()
    cores.is_idle = False
    assert cluster.start_all() == []
    _enqueue(CHECK, 2)
    _enqueue(CLICK, 1)
    assert cluster.start_all() == [("checks", 2), ("clicks", 1)]
    cluster.finish_first()
    cluster.finish_first()
    cores.is_idle = True
    assert cluster.start_all() == [("checks", 1)]


def test_heavy_customer_waits_for_a_core_no_longer_than_a_second(
    workers: int, cores: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    cluster = _start_with_heavy_customer(monkeypatch)
    _enqueue(CHECK, 1, count=3)
    cluster.serve(1)
    cores.is_idle = False
    assert cluster.start_all() == []
    _let_time_pass(monkeypatch, MAX_WAIT_FOR_CORE + 0.1)
    assert cluster.start_all() == [("checks", 1)]
