"""When each connection is synced, to the second; phases derived from its key spread the load."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from django.conf import settings
from django.db.models import Count, Exists, Max, OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.utils import timezone

from portal.accounts.activity import build_active_filter
from portal.accounts.models import ActivityPeriod
from portal.connections.models import Connection
from portal.core import queue
from portal.sync import alerts
from portal.sync.engine import run_lifecycle
from portal.sync.models import SyncRun
from portal.sync.records.hiring_team import hash_key

RECENT_INTERVAL = timedelta(minutes=15)
PEOPLE_INTERVAL = timedelta(minutes=5)  # while anybody uses the portal
QUIET_PEOPLE_INTERVAL = timedelta(minutes=30)
# In Harvest v1, syncing people takes one request per member: at most half of the time.
PEOPLE_TIME_DIVISOR = 2
NIGHT_WINDOW = timedelta(hours=6)  # from midnight, UTC
FULL_RETRY_AFTER = timedelta(hours=1)
PEOPLE_RUN_RETENTION = timedelta(days=2)
LOOK_AHEAD = timedelta(minutes=1)  # until the next look
REQUEST_TASK = "portal.sync.tasks.request_due_sync"

Scope = SyncRun.Scope


def request_due_syncs() -> None:
    """Request every sync that is due, and queue for their second those that will be until the next
    look. The number of queries depends only on what is due.
    """
    now = timezone.now()
    open_runs = {
        (connection_id, scope == Scope.PEOPLE)
        for connection_id, scope in SyncRun.objects.filter(status__in=SyncRun.OPEN)
        .order_by()
        .values_list("connection_id", "scope")
    }
    next_due_times: dict[int, datetime] = {}
    for history in _load_run_histories(_list_scheduled(), now):
        for scope in history.list_due_scopes(now):
            if (history.connection.pk, scope == Scope.PEOPLE) not in open_runs:
                run_lifecycle.request_sync(history.connection, scope)
        if now < (due_at := history.get_next_due_time(now)) <= now + LOOK_AHEAD:
            next_due_times[history.connection.pk] = due_at
    _queue_requests(next_due_times)


def request_due_sync(connection_id: int) -> None:
    """Request what is due of this connection by now."""
    now = timezone.now()
    for history in _load_run_histories(_list_scheduled().filter(pk=connection_id), now):
        for scope in history.list_due_scopes(now):
            run_lifecycle.request_sync(history.connection, scope)


def _list_scheduled() -> QuerySet[Connection]:
    live = Connection.objects.filter(state__in=Connection.LIVE_STATES)
    return live.select_related("organization")


def _queue_requests(due_times: Mapping[int, datetime]) -> None:
    if not due_times:
        return
    connections = Connection.objects.filter(pk__in=due_times)
    for pk, organization_id in queue.exclude_queued(connections, REQUEST_TASK).values_list(
        "pk", "organization_id"
    ):
        queue.enqueue_task(REQUEST_TASK, pk, organization_id=organization_id, due_at=due_times[pk])


def get_next_run(connection: Connection) -> tuple[datetime, str]:
    now = timezone.now()
    return _load_run_history(connection, now).get_next_run(now)


@dataclass(frozen=True)
class _RunHistory:
    """What decides when a connection is synced next."""

    connection: Connection
    completed: Mapping[str, SyncRun]  # the newest completed run of each scope
    retry_at: Mapping[bool, datetime]  # when a backoff ends, by whether it is that of people
    has_full_sync_just_failed: bool
    is_in_use: bool  # some member was active just now

    def list_due_scopes(self, now: datetime) -> list[str]:
        scopes: list[str] = []
        next_at, scope = self.get_next_run(now)
        if next_at <= now and not self._is_backing_off(now):
            scopes.append(scope)
        if self._get_people_due_time(now) <= now and not self._is_backing_off(now, people=True):
            scopes.append(Scope.PEOPLE)
        return scopes

    def get_next_due_time(self, now: datetime) -> datetime:
        data_due, people_due = self.get_next_run(now)[0], self._get_people_due_time(now)
        return min(
            max(data_due, self.retry_at.get(False, data_due)),
            max(people_due, self.retry_at.get(True, people_due)),
        )

    def get_next_run(self, now: datetime) -> tuple[datetime, str]:
        full = self.completed.get(Scope.FULL)
        if full is None or full.started_at is None:
            return now, Scope.FULL
        night = _get_last_night_slot(self.connection, now)
        if full.started_at < night and not self.has_full_sync_just_failed:
            return night, Scope.FULL
        last = max(full, self.completed.get(Scope.RECENT, full), key=lambda run: run.pk)
        started = last.started_at or full.started_at
        recent = _get_next_slot(self.connection, started, RECENT_INTERVAL)
        tomorrow = night + timedelta(days=1)
        return (recent, Scope.RECENT) if recent < tomorrow else (tomorrow, Scope.FULL)

    def _is_backing_off(self, now: datetime, *, people: bool = False) -> bool:
        wait = self.retry_at.get(people)
        return wait is not None and now < wait

    def _get_people_due_time(self, now: datetime) -> datetime:
        last, full = self.completed.get(Scope.PEOPLE), self.completed.get(Scope.FULL)
        times = [run.started_at for run in (last, full) if run and run.started_at]
        if not times:
            return now
        duration = timedelta(0)
        if last and last.started_at and last.finished_at:
            duration = last.finished_at - last.started_at
        interval = PEOPLE_INTERVAL if self.is_in_use else QUIET_PEOPLE_INTERVAL
        return max(
            _get_next_slot(self.connection, max(times), interval),
            max(times) + PEOPLE_TIME_DIVISOR * duration,
        )


# -- loading histories, with a constant number of queries -----------------------------------------
def _load_run_history(connection: Connection, now: datetime) -> _RunHistory:
    return _load_run_histories(Connection.objects.filter(pk=connection.pk), now)[0]


def _load_run_histories(connections: QuerySet[Connection], now: datetime) -> list[_RunHistory]:
    completed: dict[int, dict[str, SyncRun]] = defaultdict(dict)
    for scope in Scope.values:
        for run in _select_newest_completed(connections, scope):
            completed[run.connection_id][scope] = run
    retry_times = _load_retry_times(connections)
    failed_ids = _load_just_failed_ids(connections, now)
    return [
        _RunHistory(
            connection,
            completed[connection.pk],
            retry_times[connection.pk],
            connection.pk in failed_ids,
            connection.is_in_use,
        )
        for connection in annotate_use(connections)
    ]


def annotate_use(connections: QuerySet[Connection]) -> QuerySet[Any]:
    """Add `is_in_use`: whether a member was active just now."""
    periods = ActivityPeriod.objects.filter(
        build_active_filter(), organization=OuterRef("organization")
    )
    return connections.annotate(is_in_use=Exists(periods))


def _select_newest_completed(connections: QuerySet[Connection], scope: str) -> QuerySet[SyncRun]:
    runs = SyncRun.objects.filter(
        connection=OuterRef("pk"), scope=scope, status__in=SyncRun.COMPLETED
    )
    newest = Subquery(runs.order_by("-id").values("pk")[:1])
    newest_ids = connections.order_by().annotate(newest_run=newest).values("newest_run")
    return SyncRun.objects.filter(pk__in=newest_ids).order_by()


def _load_retry_times(connections: QuerySet[Connection]) -> dict[int, dict[bool, datetime]]:
    later = SyncRun.objects.filter(
        connection=OuterRef("connection"), status__in=SyncRun.COMPLETED, pk__gt=OuterRef("pk")
    )
    people = Q(scope=Scope.PEOPLE)
    unresolved = SyncRun.objects.filter(
        (people & ~Exists(later.filter(people))) | (~people & ~Exists(later.exclude(people))),
        connection__in=connections.order_by().values("pk"),
        status=SyncRun.Status.FAILED,
        finished_at__isnull=False,
    )
    failures: dict[tuple[int, bool], list[tuple[int, datetime]]] = defaultdict(list)
    for connection_id, scope, count, finished_at in (
        unresolved.order_by()
        .values_list("connection_id", "scope")
        .annotate(count=Count("pk"), last=Max("finished_at"))
    ):
        failures[connection_id, scope == Scope.PEOPLE].append((count, finished_at))
    retry_times: dict[int, dict[bool, datetime]] = defaultdict(dict)
    for (connection_id, is_people), rows in failures.items():
        retry_times[connection_id][is_people] = alerts.compute_retry_time(
            sum(count for count, _ in rows), max(finished_at for _, finished_at in rows)
        )
    return retry_times


def _load_just_failed_ids(connections: QuerySet[Connection], now: datetime) -> set[int]:
    """Return the connections whose newest full sync failed so recently that it has to wait."""
    full_runs = SyncRun.objects.filter(scope=Scope.FULL)
    later = full_runs.filter(connection=OuterRef("connection"), pk__gt=OuterRef("pk"))
    failed = full_runs.filter(
        ~Exists(later),
        connection__in=connections.order_by().values("pk"),
        status=SyncRun.Status.FAILED,
        finished_at__gt=now - FULL_RETRY_AFTER,
    )
    return set(failed.order_by().values_list("connection_id", flat=True))


# -- slots -----------------------------------------------------------------------------------------
def _get_phase(connection: Connection, within: timedelta) -> timedelta:
    return timedelta(seconds=hash_key("phase", connection.pk) % int(within.total_seconds()))


def _get_last_night_slot(connection: Connection, now: datetime) -> datetime:
    midnight = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    slot = midnight + _get_phase(connection, NIGHT_WINDOW)
    return slot if slot <= now else slot - timedelta(days=1)


def _get_next_slot(connection: Connection, last: datetime, every: timedelta) -> datetime:
    epoch = datetime(2020, 1, 1, tzinfo=UTC) + _get_phase(connection, every)
    return epoch + ((last - epoch) // every + 1) * every


def list_expired_runs() -> QuerySet[SyncRun]:
    """Runs past their retention, except each connection's newest full one."""
    now = timezone.now()
    ended = SyncRun.objects.exclude(status__in=SyncRun.OPEN).order_by()
    full_runs = ended.filter(
        connection=OuterRef("connection"),
        scope=Scope.FULL,
        status__in=SyncRun.COMPLETED,
    )
    people = Q(scope=Scope.PEOPLE, queued_at__lt=now - PEOPLE_RUN_RETENTION)
    other_runs = ~Q(scope=Scope.PEOPLE) & Q(queued_at__lt=now - timedelta(days=settings.SYNC_DAYS))
    newest = Subquery(full_runs.order_by("-id").values("pk")[:1])
    # A connection without a completed full run has no newest one.
    return ended.filter(people | other_runs).exclude(pk=Coalesce(newest, 0))
