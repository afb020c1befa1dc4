"""Processes that share METRICS_DIR report their sum. Labels are names from our code, never paths or
IDs.
"""

from __future__ import annotations

import os

from django.conf import settings

if settings.METRICS_DIR:  # prometheus_client reads this when imported
    os.makedirs(settings.METRICS_DIR, exist_ok=True)
    os.environ.setdefault("PROMETHEUS_MULTIPROC_DIR", settings.METRICS_DIR)

from prometheus_client import (
    REGISTRY,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    generate_latest,
    values,
)
from prometheus_client.multiprocess import MultiProcessCollector

from portal.core.observability.metric_slots import claim_slot

if settings.METRICS_DIR:
    values.ValueClass = values.MultiProcessValue(claim_slot)  # type: ignore[no-untyped-call]

BUCKET_SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300)

REQUEST_DURATION = Histogram(
    "portal_request_seconds",
    "Requests by view",
    ("view", "method", "status"),
    buckets=BUCKET_SECONDS,
)
TASK_DURATION = Histogram(
    "portal_task_seconds", "Tasks by name", ("task", "outcome"), buckets=BUCKET_SECONDS
)

GREENHOUSE_CALLERS = Gauge(
    "portal_greenhouse_callers",
    "Requests and tasks that are calling Greenhouse",
    multiprocess_mode="livesum",
)
REFUSED_CALLS = Counter(
    "portal_greenhouse_calls_refused",
    "Calls not made: the circuit breaker is open, or the bulkhead is full",
    ("reason",),
)


def count_refused_call(reason: str) -> None:
    REFUSED_CALLS.labels(str(reason)).inc()


def observe_request(view: str, method: str, status: int, seconds: float) -> None:
    method_label = method if method in {"GET", "HEAD", "POST", "OPTIONS"} else "other"
    REQUEST_DURATION.labels(view, method_label, f"{status // 100}xx").observe(seconds)


def observe_task(name: str, *, succeeded: bool, seconds: float) -> None:
    TASK_DURATION.labels(name, "done" if succeeded else "failed").observe(seconds)


def render_metrics() -> bytes:
    if not settings.METRICS_DIR:
        return bytes(generate_latest(REGISTRY))
    registry = CollectorRegistry()
    MultiProcessCollector(registry)  # type: ignore[no-untyped-call]  # ships no types
    return bytes(generate_latest(registry))
