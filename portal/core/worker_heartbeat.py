"""Heartbeats come from a thread of each cluster, however long its tasks, and from a task
scheduled every minute, which also ends reported silence.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.utils import timezone

from portal.core.models import WorkerHeartbeat

WORKERS_KEY = "workers"
MIN_INTERVAL_SECONDS = 20


@dataclass(frozen=True)
class WorkerStatus:
    """`since`: the last heartbeat, or when listening began."""

    since: datetime
    has_heartbeat: bool
    is_silent: bool

    @property
    def silent_seconds(self) -> int:
        return max(0, round((timezone.now() - self.since).total_seconds()))


_last_recorded_at = 0.0


def record_heartbeat_if_due() -> None:
    global _last_recorded_at
    now = time.monotonic()
    if now - _last_recorded_at >= MIN_INTERVAL_SECONDS:
        _last_recorded_at = now
        record_heartbeat()


def record_heartbeat() -> None:
    heard_at = timezone.now()
    if not WorkerHeartbeat.objects.filter(pk=WORKERS_KEY).update(heartbeat_at=heard_at):
        WorkerHeartbeat.objects.update_or_create(
            pk=WORKERS_KEY, defaults={"heartbeat_at": heard_at}
        )


def get_worker_status() -> WorkerStatus:
    """Return the status. The first call starts the wait if no worker was ever heard."""
    heartbeat = WorkerHeartbeat.objects.filter(pk=WORKERS_KEY).first()
    if heartbeat is None:
        heartbeat, _ = WorkerHeartbeat.objects.get_or_create(pk=WORKERS_KEY)
    since = heartbeat.heartbeat_at or heartbeat.listening_since
    timeout = timedelta(minutes=settings.WORKER_TIMEOUT_MINUTES)
    return WorkerStatus(since, heartbeat.heartbeat_at is not None, timezone.now() - since > timeout)


def mark_silence_noticed() -> bool:
    """Return True for the first caller only."""
    return bool(
        WorkerHeartbeat.objects.filter(pk=WORKERS_KEY, silence_noticed_at=None).update(
            silence_noticed_at=timezone.now()
        )
    )


def clear_silence() -> bool:
    heartbeats = WorkerHeartbeat.objects.filter(pk=WORKERS_KEY, silence_noticed_at__isnull=False)
    return bool(heartbeats.update(silence_noticed_at=None))
