"""The queue in tests: real rows in the real broker, taken by a worker when the test says so."""

from __future__ import annotations

import math
from typing import Any

from django_q.brokers import get_broker
from django_q.signals import post_execute_in_worker, pre_execute
from django_q.signing import SignedPackage

from portal.core.broker.task_call import TaskFailed
from portal.core.models import QueuedTask


def run_tasks() -> int:
    """Do what is due, and what that queues, in this process; returns how many tasks ran."""
    done = 0
    while run_next_task():
        done += 1
    return done


def run_next_task() -> bool:
    """Run one due task in this process; False if none is due."""
    broker = get_broker()
    broker._next_repair_at = math.inf  # a clock that a test moved is not wrong
    taken = broker.take_task()
    if taken:
        run_leased_task(*taken)
    return bool(taken)


def run_leased_task(lease: Any, payload: str) -> None:
    """As a worker of Django-Q does, except that a task's own error is raised."""
    task = SignedPackage.loads(payload) | {"ack_id": lease}
    pre_execute.send(sender="django_q", func=task["func"], task=task)
    task["success"] = False
    try:
        task["result"] = task["func"](*task["args"], **task["kwargs"])
        task["success"] = True
    except TaskFailed as failure:
        raise (failure.__context__ or failure) from None
    finally:
        post_execute_in_worker.send(sender="django_q", func=task["func"], task=task)


def list_queued_tasks() -> list[tuple[str, tuple[object, ...]]]:
    """What waits: the task's path and its arguments."""
    payloads = QueuedTask.objects.order_by("pk").values_list("payload", flat=True)
    tasks = [SignedPackage.loads(payload) for payload in payloads]
    return [(task["func"], task["args"]) for task in tasks]
