"""How long things take, for Prometheus: requests by view, tasks by name.

Each process counts for itself. With METRICS_DIR, a folder that all processes of a machine share,
any of them tells the sum (prometheus_client's multi-process mode); without, each tells its own.
Labels are names from our code: no address that somebody typed, no id.
"""

from __future__ import annotations

import os

from django.conf import settings

if settings.METRICS_DIR:  # the library decides by this when it is imported
    os.makedirs(settings.METRICS_DIR, exist_ok=True)
    os.environ.setdefault("PROMETHEUS_MULTIPROC_DIR", settings.METRICS_DIR)

from prometheus_client import REGISTRY, CollectorRegistry, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300)

REQUESTS = Histogram(
    "portal_request_seconds", "Requests by view", ("view", "method", "status"), buckets=SECONDS
)
TASKS = Histogram("portal_task_seconds", "Tasks by name", ("task", "outcome"), buckets=SECONDS)


def request(view: str, method: str, status: int, seconds: float) -> None:
    """A request was answered; `status` is counted by its hundred."""
    known = method if method in {"GET", "HEAD", "POST", "OPTIONS"} else "other"
    REQUESTS.labels(view, known, f"{status // 100}xx").observe(seconds)


def task(name: str, *, well: bool, seconds: float) -> None:
    """A task has ended."""
    TASKS.labels(name, "done" if well else "failed").observe(seconds)


def told() -> bytes:
    """What was measured, as Prometheus reads it."""
    if not settings.METRICS_DIR:
        return bytes(generate_latest(REGISTRY))
    registry = CollectorRegistry()
    MultiProcessCollector(registry)  # type: ignore[no-untyped-call]  # ships no types
    return bytes(generate_latest(registry))
