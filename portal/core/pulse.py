"""Whether workers live: they leave a sign in the database, and whoever serves pages looks at it.

Each worker process leaves one by itself as long as it lives, however long its task may be; a task
that the clock asks for each minute (portal.connections.tasks.beat) leaves one, too, and ends what
was said about silence.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.utils import timezone

from portal.core.models import Pulse

WORKERS = "workers"
SECONDS_BETWEEN = 20  # a process that beats more often than this is not written down again


@dataclass(frozen=True)
class Sign:
    """What was heard of the workers. `since`: the last sign, or when somebody began to listen."""

    since: datetime
    heard: bool
    silent: bool

    @property
    def seconds(self) -> int:
        return max(0, round((timezone.now() - self.since).total_seconds()))


_last_beat = 0.0


def beat() -> None:
    """Leave a sign, from a worker. Costs nothing when called again within some seconds."""
    global _last_beat
    now = time.monotonic()
    if now - _last_beat >= SECONDS_BETWEEN:
        _last_beat = now
        beat_now()


def beat_now() -> None:
    """Leave a sign, whenever the last one was."""
    heard_at = timezone.now()
    if not Pulse.objects.filter(pk=WORKERS).update(heard_at=heard_at):
        Pulse.objects.update_or_create(pk=WORKERS, defaults={"heard_at": heard_at})


def look() -> Sign:
    """The last sign. The first look begins the waiting, where no worker was ever heard."""
    pulse = Pulse.objects.filter(pk=WORKERS).first()
    if pulse is None:
        pulse, _ = Pulse.objects.get_or_create(pk=WORKERS)
    since = pulse.heard_at or pulse.listening_since
    patience = timedelta(minutes=settings.WORKER_SILENT_MINUTES)
    return Sign(since, pulse.heard_at is not None, timezone.now() - since > patience)


def noticed_silence() -> bool:
    """Note that the silence was noticed; True for the one who was first."""
    return bool(Pulse.objects.filter(pk=WORKERS, noticed_at=None).update(noticed_at=timezone.now()))


def silence_is_over() -> bool:
    """Forget that silence was noticed; True where it had been."""
    noticed = Pulse.objects.filter(pk=WORKERS, noticed_at__isnull=False)
    return bool(noticed.update(noticed_at=None))
