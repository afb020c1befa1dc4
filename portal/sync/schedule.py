"""When each connection is synced; phases derived from its key spread the load."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from django.conf import settings
from django.db.models import OuterRef, Q, QuerySet, Subquery
from django.utils import timezone

from portal.connections.models import Connection
from portal.sync import alerts
from portal.sync.engine import plan, run_lifecycle
from portal.sync.models import SyncRun
from portal.sync.records.hiring_team import hash_key

RECENT_INTERVAL = timedelta(minutes=15)
PEOPLE_INTERVAL = timedelta(minutes=5)
# In Harvest v1, syncing people takes one request per Job Admin: at most a tenth of the time.
PEOPLE_TIME_DIVISOR = 10
NIGHT_WINDOW = timedelta(hours=6)  # from midnight, UTC
FULL_RETRY_AFTER = timedelta(hours=1)
PEOPLE_RUN_RETENTION = timedelta(days=2)

Scope = SyncRun.Scope
SCHEDULED_STATES = (Connection.State.LIVE, Connection.State.DEGRADED)


def request_due_syncs() -> None:
    for connection in Connection.objects.filter(state__in=SCHEDULED_STATES).select_related(
        "organization"
    ):
        for scope in get_due_scopes(connection):
            run_lifecycle.request_sync(connection, scope)


def get_due_scopes(connection: Connection) -> list[str]:
    now = timezone.now()
    scopes: list[str] = []
    next_at, scope = get_next_run(connection)
    if next_at <= now and not _is_backing_off(connection, now):
        scopes.append(scope)
    if _get_people_due_time(connection) <= now and not _is_backing_off(
        connection, now, people=True
    ):
        scopes.append(Scope.PEOPLE)
    return scopes


def _is_backing_off(connection: Connection, now: datetime, *, people: bool = False) -> bool:
    wait = alerts.get_retry_time(alerts.get_recent_failures(connection, people=people))
    return wait is not None and now < wait


def get_next_run(connection: Connection) -> tuple[datetime, str]:
    now = timezone.now()
    full = plan.get_last_successful_run(connection, scope=Scope.FULL)
    if full is None or full.started_at is None:
        return now, Scope.FULL
    night = _get_last_night_slot(connection, now)
    if full.started_at < night and not _has_full_sync_just_failed(connection, now):
        return night, Scope.FULL
    last = plan.get_last_successful_run(connection)
    started = last.started_at if last and last.started_at else full.started_at
    recent = _get_next_slot(connection, started, RECENT_INTERVAL)
    tomorrow = night + timedelta(days=1)
    return (recent, Scope.RECENT) if recent < tomorrow else (tomorrow, Scope.FULL)


def _has_full_sync_just_failed(connection: Connection, now: datetime) -> bool:
    newest = connection.syncs.filter(scope=Scope.FULL).first()
    return bool(
        newest
        and newest.status == SyncRun.Status.FAILED
        and newest.finished_at
        and newest.finished_at > now - FULL_RETRY_AFTER
    )


def _get_phase(connection: Connection, within: timedelta) -> timedelta:
    return timedelta(seconds=hash_key("phase", connection.pk) % int(within.total_seconds()))


def _get_last_night_slot(connection: Connection, now: datetime) -> datetime:
    midnight = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    slot = midnight + _get_phase(connection, NIGHT_WINDOW)
    return slot if slot <= now else slot - timedelta(days=1)


def _get_next_slot(connection: Connection, last: datetime, every: timedelta) -> datetime:
    epoch = datetime(2020, 1, 1, tzinfo=UTC) + _get_phase(connection, every)
    return epoch + ((last - epoch) // every + 1) * every


def _get_people_due_time(connection: Connection) -> datetime:
    last = plan.get_last_successful_run(connection, scope=Scope.PEOPLE)
    full = plan.get_last_successful_run(connection, scope=Scope.FULL)
    times = [run.started_at for run in (last, full) if run and run.started_at]
    if not times:
        return timezone.now()
    duration = timedelta(0)
    if last and last.started_at and last.finished_at:
        duration = last.finished_at - last.started_at
    return max(
        _get_next_slot(connection, max(times), PEOPLE_INTERVAL),
        max(times) + PEOPLE_TIME_DIVISOR * duration,
    )


def list_expired_runs() -> QuerySet[SyncRun]:
    """Runs past their retention, except each connection's newest full one."""
    now = timezone.now()
    ended = SyncRun.objects.exclude(status__in=SyncRun.OPEN).order_by()
    full_runs = ended.filter(
        connection=OuterRef("connection"),
        scope=Scope.FULL,
        status__in=(SyncRun.Status.DONE, SyncRun.Status.PARTIAL),
    )
    people = Q(scope=Scope.PEOPLE, queued_at__lt=now - PEOPLE_RUN_RETENTION)
    other_runs = ~Q(scope=Scope.PEOPLE) & Q(queued_at__lt=now - timedelta(days=settings.SYNC_DAYS))
    newest = Subquery(full_runs.order_by("-id").values("pk")[:1])
    return ended.filter(people | other_runs).exclude(pk=newest)
