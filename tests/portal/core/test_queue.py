"""Tasks on their way from `enqueue_task` to a worker."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from django.db import OperationalError, transaction
from django.db.models.functions import Now
from django.utils import timezone
from django_q import core_signing as signing
from django_q.brokers import get_broker
from django_q.conf import Conf
from django_q.signing import BadSignature, PickleSerializer, SignedPackage
from django_q.tasks import async_task

from portal.core import queue
from portal.core.broker import leases
from portal.core.broker.lanes import TaskWithoutLane
from portal.core.broker.selection import TaskSelector
from portal.core.broker.task_call import TaskFailed
from portal.core.models import QueuedTask, QueueLane
from portal.core.queue import RetryLater, TaskOptions
from tests.queue import list_queued_tasks, run_leased_task, run_tasks

PATH = f"{__name__}.record_call"
SLOW_PATH = f"{__name__}.record_slow_call"
calls: list[tuple[int, ...]] = []
retry_times: list[datetime] = []


def record_call(*ids: int) -> None:
    if any(not isinstance(pk, int) for pk in ids):
        raise TypeError(f"no IDs: {ids}")
    calls.append(ids)
    if retry_times:
        raise RetryLater(retry_times.pop())


def record_slow_call(*ids: int) -> None:
    calls.append(ids)


@pytest.fixture(autouse=True)
def _declared_tasks(transactional_db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    options = {PATH: TaskOptions(QueueLane.CHECKS), SLOW_PATH: TaskOptions(QueueLane.SYNCS, 300)}
    monkeypatch.setattr("portal.core.broker.lanes._OPTIONS_BY_TASK", options)
    calls.clear()
    retry_times.clear()


def _let_lease_expire() -> None:
    QueuedTask.objects.update(leased_until=Now() - timedelta(seconds=1))


def test_task_runs_once_with_ids() -> None:
    queue.enqueue_task(PATH, 3, 4)
    assert run_tasks() == 1
    assert calls == [(3, 4)]
    assert not QueuedTask.objects.exists()


def test_rollback_leaves_no_task() -> None:
    with transaction.atomic():
        queue.enqueue_task(PATH, 1)
        transaction.set_rollback(True)
    assert list_queued_tasks() == []


def test_undeclared_task_is_refused() -> None:
    with pytest.raises(TaskWithoutLane):
        queue.enqueue_task("portal.nothing.tasks.run", 1)


def test_due_task_waits_for_its_time(advance_clock: Callable[[float], None]) -> None:
    queue.enqueue_task(PATH, 1, due_at=timezone.now() + timedelta(seconds=30))
    assert run_tasks() == 0
    assert sum(status.waiting_count for status in queue.list_lane_statuses()) == 0
    advance_clock(31)
    assert run_tasks() == 1


def test_retry_later_comes_again_when_due(advance_clock: Callable[[float], None]) -> None:
    queue.enqueue_task(PATH, 1)
    retry_times.append(timezone.now() + timedelta(seconds=30))
    assert run_tasks() == 1
    queue.enqueue_task(PATH, 2)  # the worker is free for others meanwhile
    assert run_tasks() == 1
    assert calls == [(1,), (2,)]
    advance_clock(31)
    assert run_tasks() == 1
    assert calls == [(1,), (2,), (1,)]
    assert not QueuedTask.objects.exists()


def test_retry_later_is_no_failure() -> None:
    queue.enqueue_task(PATH, 1)
    retry_times.append(timezone.now() + timedelta(seconds=30))
    _, payload = get_broker().take_task()
    assert isinstance(SignedPackage.loads(payload)["func"](1), RetryLater)


def test_failed_task_is_not_repeated() -> None:
    queue.enqueue_task(PATH, 1)
    lease, payload = get_broker().take_task()
    package = SignedPackage.loads(payload) | {"args": ("not an ID", RetryLater)}
    package["func"] = pytest.fail
    with pytest.raises(pytest.fail.Exception):
        run_leased_task(lease, SignedPackage.dumps(package | {"args": ("broken",)}))
    assert not QueuedTask.objects.exists()


def test_failed_task_quotes_no_record(production_log: Callable[[], str]) -> None:
    queue.enqueue_task(PATH, 1)
    _, payload = get_broker().take_task()
    marker = "-".join(("quicken", "marker"))  # not as the source has it
    with pytest.raises(TaskFailed) as failure:
        SignedPackage.loads(payload)["func"](marker)
    stored = "".join(traceback.format_exception(failure.value))  # as Django-Q does
    assert marker not in stored + production_log()
    assert "TypeError" in stored
    assert f"Task {PATH} failed" in production_log()


def test_killed_workers_task_comes_again() -> None:
    queue.enqueue_task(PATH, 1)
    taken = get_broker().take_task()
    assert get_broker().take_task() is None  # leased
    _let_lease_expire()
    assert run_tasks() == 1
    leases.complete_task(taken[0])  # the first worker only hung: its end changes nothing
    assert calls == [(1,)]


def test_late_worker_cannot_end_next_lease() -> None:
    queue.enqueue_task(PATH, 1)
    late_lease, _ = get_broker().take_task()
    _let_lease_expire()
    current_lease, _ = get_broker().take_task()
    leases.complete_task(late_lease)
    leases.postpone_task(late_lease, timezone.now())
    assert QueuedTask.objects.get().lease_token == current_lease.token


def test_task_that_kills_workers_is_dropped(caplog: pytest.LogCaptureFixture) -> None:
    queue.enqueue_task(PATH, 1)
    for _ in range(leases.MAX_DELIVERIES):
        assert get_broker().take_task() is not None
        _let_lease_expire()
    assert get_broker().take_task() is None
    assert not QueuedTask.objects.exists()
    assert "is dropped" in caplog.text


def test_running_task_renews_its_lease(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queue, "LEASE_RENEWAL_SECONDS", 0)
    queue.enqueue_task(PATH, 1)
    lease, payload = get_broker().take_task()
    queue.record_task_start(task={"ack_id": lease})
    _let_lease_expire()
    queue.renew_lease_if_due()
    assert get_broker().take_task() is None
    run_leased_task(lease, payload)


def test_long_timeout_reaches_worker() -> None:
    queue.enqueue_task(SLOW_PATH, 1)
    _, payload = get_broker().take_task()
    assert SignedPackage.loads(payload)["timeout"] == 300


def test_unknown_schedule_stops_no_other(caplog: pytest.LogCaptureFixture) -> None:
    async_task("portal.newer.tasks.run", broker=get_broker())  # as Django-Q's scheduler does
    assert "portal.newer.tasks.run is not declared" in caplog.text
    assert list_queued_tasks() == []


def test_waiting_sweep_is_not_enqueued_again() -> None:
    for _ in range(3):
        async_task(PATH, broker=get_broker())  # as Django-Q's scheduler does
    assert list_queued_tasks() == [(PATH, ())]


def test_lost_tasks_are_requeued_once() -> None:
    queue.enqueue_task(PATH, 1)
    queue.requeue_lost_tasks(PATH, {1: None, 2: None})
    queue.requeue_lost_tasks(PATH, {1: None, 2: None})
    assert list_queued_tasks() == [(PATH, (1,)), (PATH, (2,))]


def test_task_enqueued_by_fast_clock_runs(advance_clock: Callable[[float], None]) -> None:
    advance_clock(3600)
    queue.enqueue_task(PATH, 1)
    queue.enqueue_task(PATH, 2, due_at=timezone.now() + timedelta(minutes=10))
    advance_clock(-3600)
    leases.repair_due_times()  # the broker does so every half a minute
    assert run_tasks() == 1
    advance_clock(601)
    assert run_tasks() == 1
    assert calls == [(1,), (2,)]


def test_database_away_is_survived(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("portal.core.broker.ticker.start_ticker", lambda: None)
    broker = get_broker()
    queue.enqueue_task(PATH, 1)
    with monkeypatch.context() as patch:
        patch.setattr(TaskSelector, "read_queue", _raise_operational_error)
        assert broker.dequeue() is None
    broker._next_look_at = 0.0
    assert broker.dequeue() is not None


def _raise_operational_error(*_: object) -> None:
    raise OperationalError("the server closed the connection")


def test_unsigned_task_is_never_unpickled() -> None:
    """Unpickling can run code, so the signature is verified first."""

    class Trap:
        def __reduce__(self) -> tuple[object, ...]:
            return (pytest.fail, ("it was unpickled",))

    forged = signing.dumps(
        {"id": "1", "task": Trap()}, key="not-our-key", salt=Conf.PREFIX,
        serializer=PickleSerializer,
    )  # fmt: skip
    queue.enqueue_task(PATH, 1)
    QueuedTask.objects.update(payload=forged)
    lease, payload = get_broker().take_task()
    with pytest.raises(BadSignature):
        SignedPackage.loads(payload)
    get_broker().fail(lease)  # as the pusher does: it stays for a cluster with the right key
    assert QueuedTask.objects.get().due_at > timezone.now()
