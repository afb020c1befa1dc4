"""How old what we show is, judged against how often it should be refreshed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from django.utils import timezone

from portal.connections.models import Connection
from portal.mirror.models import Job, SyncRun
from portal.mirror.plan import last_good
from portal.mirror.schedule import CADENCE


class State(StrEnum):
    """`live`: as fresh as promised; `late`: a refresh or two were missed; `stale`: out of date."""

    NEVER = "never"
    LIVE = "live"
    LATE = "late"
    STALE = "stale"


@dataclass(frozen=True)
class Freshness:
    """`as_of`: everything shown is at least as new as this. None before the first sync."""

    state: State
    as_of: datetime | None

    @property
    def stale(self) -> bool:
        """As `core/_freshness.html` takes it."""
        return self.state == State.STALE


def of(connection: Connection, *, job: Job | None = None) -> Freshness:
    """The freshness of a connection's mirror, or of one job, which may have been read by itself."""
    run = last_good(connection)
    times = [run.started_at if run else None, job.read_at if job else None]
    return judged(max((time for time in times if time), default=None))


def of_access(connection: Connection) -> datetime | None:
    """When people and their access were last read; None before that was ever done."""
    read = connection.syncs.filter(
        status__in=(SyncRun.Status.DONE, SyncRun.Status.PARTIAL),
        scope__in=(SyncRun.Scope.FULL, SyncRun.Scope.PEOPLE),
    )
    return read.values_list("started_at", flat=True).first()


def judged(as_of: datetime | None) -> Freshness:
    """Late after twice the cadence (a run was missed), stale after four times."""
    if as_of is None:
        return Freshness(State.NEVER, None)
    age = timezone.now() - as_of
    if age <= 2 * CADENCE:
        return Freshness(State.LIVE, as_of)
    return Freshness(State.LATE if age <= 4 * CADENCE else State.STALE, as_of)
