"""Long tasks make room for others and go on from what is stored."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.utils import timezone
from django_q.brokers import get_broker

from portal.connections.models import Connection
from portal.core import queue
from portal.core.broker import task_turns
from portal.core.broker.task_turns import TaskTurn
from portal.core.models import QueuedTask
from portal.core.tenancy.scope import organization_scope
from portal.sync.engine.run_lifecycle import request_sync
from portal.sync.models import SyncRun
from tests.queue import run_leased_task

Connect = Callable[..., Connection]
Work = Callable[[], int]
OTHERS_TASK = "portal.webhooks.tasks.detect_silence"


@pytest.fixture(autouse=True)
def _look_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(task_turns, "MIN_TURN_SECONDS", 0)


def _enqueue_waiting_task(customer: int, *, task: str = OTHERS_TASK, seconds: float = 1) -> None:
    queue.enqueue_task(task, organization_id=customer)
    due_at = timezone.now() - timedelta(seconds=seconds)
    QueuedTask.objects.filter(task=task).update(due_at=due_at)


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("waiting", "is_over"),
    [
        ({"customer": 2}, True),
        ({"customer": 0}, True),
        ({"customer": 1}, False),
        ({"customer": 2, "seconds": -60}, False),
        ({"customer": 2, "task": "portal.jobs.tasks.update_all_counts"}, False),
    ],
    ids=["of another", "of nobody", "own", "not due", "of a later lane"],
)
def test_turn_ends_when_another_click_or_check_waits(
    waiting: dict[str, int], is_over: bool
) -> None:
    _enqueue_waiting_task(**waiting)  # type: ignore[arg-type]
    with organization_scope(1):
        assert TaskTurn().is_over() == is_over


@pytest.mark.django_db
def test_leased_task_waits_for_nobody() -> None:
    _enqueue_waiting_task(2)
    QueuedTask.objects.update(leased_until=timezone.now() + timedelta(minutes=1))
    assert not TaskTurn().is_over()


@pytest.mark.django_db
def test_burst_of_another_ends_no_turn() -> None:
    for _ in range(5):
        _enqueue_waiting_task(2)
    assert not TaskTurn().is_over()
    _enqueue_waiting_task(3)
    assert TaskTurn().is_over()


@pytest.mark.django_db
def test_nobody_is_looked_for_in_the_first_second(
    monkeypatch: pytest.MonkeyPatch, django_assert_num_queries: Callable[[int], object]
) -> None:
    monkeypatch.setattr(task_turns, "MIN_TURN_SECONDS", 60)
    _enqueue_waiting_task(2)
    with django_assert_num_queries(0):
        assert not TaskTurn().is_over()


def _run_while_other_waits() -> None:
    """Run the next task, and have somebody else's wait meanwhile."""
    taken = get_broker().take_task()
    assert taken is not None
    _enqueue_waiting_task(999_999)
    run_leased_task(*taken)
    QueuedTask.objects.filter(organization_id=999_999).delete()


def test_sync_goes_on_with_the_next_list(connect: Connect, run_tasks: Work) -> None:
    sync = request_sync(connect(), SyncRun.Scope.FULL)
    open_counts = []
    while sync.status not in SyncRun.COMPLETED:
        _run_while_other_waits()
        sync.refresh_from_db()
        open_counts.append(sum(step.is_open for step in sync.steps.all()))
    assert len(open_counts) > 5
    assert open_counts == sorted(open_counts, reverse=True)
    assert sync.status == SyncRun.Status.DONE
