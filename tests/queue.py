"""The queue in tests: real rows in the real broker, taken by a worker when the test says so."""

from __future__ import annotations

from importlib import import_module

from django.conf import settings
from django_q.brokers import get_broker
from django_q.models import OrmQ
from django_q.signals import pre_execute
from django_q.signing import SignedPackage


def run_tasks() -> int:
    """Do what is queued, and what that queues, in this process; gives back how many tasks ran."""
    broker = get_broker()
    done = 0
    while broker.queue_size():
        for receipt, payload in broker.dequeue() or ():
            task = SignedPackage.loads(payload)
            pre_execute.send(sender="django_q", func=task["func"], task=task)
            module, name = task["func"].rsplit(".", 1)
            getattr(import_module(module), name)(*task["args"], **task["kwargs"])
            broker.acknowledge(receipt)
            done += 1
    return done


def list_queued_tasks() -> list[tuple[str, tuple[object, ...]]]:
    """What waits: the task's path and its arguments."""
    if settings.REDIS_URL:
        broker = get_broker()
        payloads = broker.connection.lrange(broker.list_key, 0, -1)
    else:
        payloads = OrmQ.objects.values_list("payload", flat=True)
    tasks = [SignedPackage.loads(payload) for payload in payloads]
    return [(task["func"], task["args"]) for task in tasks]
