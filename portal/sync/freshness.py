"""How old the synced data is, compared to how often it should be refreshed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from django.db.models import QuerySet
from django.utils import timezone

from portal.connections.models import Connection
from portal.core.database.compiled_queries import compile_once
from portal.core.database.prepared_statements import use_prepared_statements
from portal.sync.models import AtsUser, FreshnessKind, Job, SyncRun
from portal.sync.schedule import PEOPLE_INTERVAL, RECENT_INTERVAL

# How old each may be at most: within the promise, one sync may be missed. Access is promised while
# anybody uses the portal (`portal.accounts.activity`).
PROMISED_AGE = {
    FreshnessKind.DATA: 2 * RECENT_INTERVAL,
    FreshnessKind.ACCESS: 2 * PEOPLE_INTERVAL,
}


_DATA_SCOPES = (SyncRun.Scope.FULL, SyncRun.Scope.RECENT)
_ACCESS_SCOPES = (SyncRun.Scope.FULL, SyncRun.Scope.PEOPLE)


class State(StrEnum):
    """`live`: within the promise; `late`: a refresh or two were missed; `stale`: out of date."""

    NEVER = "never"
    LIVE = "live"
    LATE = "late"
    STALE = "stale"


@dataclass(frozen=True)
class Freshness:
    """All data shown is at least as new as `as_of`; None before the first sync."""

    state: State
    as_of: datetime | None

    @property
    def stale(self) -> bool:
        return self.state == State.STALE


def get_freshness(connection: Connection, *, job: Job | None = None) -> Freshness:
    """Freshness of a connection's data, or of a job that may have been refreshed on its own."""
    times = [*_find_last_start(connection.pk, scopes=_DATA_SCOPES), job.read_at if job else None]
    return classify_age(max((time for time in times if time), default=None))


def get_access_read_at(connection: Connection, user: AtsUser | None = None) -> datetime | None:
    """Return when everybody's access was last read, or this user's if that is newer."""
    times = [
        *_find_last_start(connection.pk, scopes=_ACCESS_SCOPES),
        user.access_read_at if user else None,
    ]
    return max((time for time in times if time), default=None)


@use_prepared_statements()
@compile_once
def _find_last_start(
    connection_id: int, *, scopes: tuple[SyncRun.Scope, ...]
) -> QuerySet[SyncRun, datetime | None]:
    runs = SyncRun.objects.filter(
        connection=connection_id, status__in=SyncRun.COMPLETED, scope__in=scopes
    )
    return runs.values_list("started_at", flat=True)[:1]


def classify_age(as_of: datetime | None) -> Freshness:
    if as_of is None:
        return Freshness(State.NEVER, None)
    age, promised = timezone.now() - as_of, PROMISED_AGE[FreshnessKind.DATA]
    if age <= promised:
        return Freshness(State.LIVE, as_of)
    return Freshness(State.LATE if age <= 2 * promised else State.STALE, as_of)
