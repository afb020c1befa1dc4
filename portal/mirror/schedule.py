"""When a connection's mirror is refreshed by the clock.

Each minute every live connection is looked at. What changed is read every quarter of an hour,
people and their access every five minutes, everything once a night. Each connection has a phase of
its own, worked out from its key, so that they do not all come at once.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from django.conf import settings
from django.db.models import OuterRef, Q, QuerySet, Subquery
from django.utils import timezone

from portal.connections.models import Connection
from portal.mirror import plan, sync, trouble
from portal.mirror.models import SyncRun
from portal.mirror.team import key

CADENCE = timedelta(minutes=15)
PEOPLE_EVERY = timedelta(minutes=5)
# Reading people takes a request per Job Admin in Harvest v1: it may use a tenth of the time.
PEOPLE_SHARE = 10
NIGHT = timedelta(hours=6)  # from midnight, UTC
FULL_AGAIN = timedelta(hours=1)
KEEP_PEOPLE = timedelta(days=2)

Scope = SyncRun.Scope
LIVE = (Connection.State.LIVE, Connection.State.DEGRADED)


def tick() -> None:
    """Ask for what is due, of every live connection."""
    for connection in Connection.objects.filter(state__in=LIVE).select_related("organization"):
        for scope in due(connection):
            sync.request(connection, scope)


def due(connection: Connection) -> list[str]:
    """What is to be read of this connection now."""
    now = timezone.now()
    found: list[str] = []
    when, scope = next_run(connection)
    if when <= now and not _must_wait(connection, now):
        found.append(scope)
    if _people_due(connection) <= now and not _must_wait(connection, now, people=True):
        found.append(Scope.PEOPLE)
    return found


def _must_wait(connection: Connection, now: datetime, *, people: bool = False) -> bool:
    wait = trouble.not_before(trouble.failures(connection, people=people))
    return wait is not None and now < wait


def next_run(connection: Connection) -> tuple[datetime, str]:
    """When the next sync is due, and which."""
    now = timezone.now()
    full = plan.last_good(connection, scope=Scope.FULL)
    if full is None or full.started_at is None:
        return now, Scope.FULL
    night = _night(connection, now)
    if full.started_at < night and not _just_failed(connection, now):
        return night, Scope.FULL
    last = plan.last_good(connection)
    started = last.started_at if last and last.started_at else full.started_at
    recent = _next_beat(connection, started, CADENCE)
    tomorrow = night + timedelta(days=1)
    return (recent, Scope.RECENT) if recent < tomorrow else (tomorrow, Scope.FULL)


def _just_failed(connection: Connection, now: datetime) -> bool:
    """A full sync that failed is tried again after an hour; what changed is read meanwhile."""
    newest = connection.syncs.filter(scope=Scope.FULL).first()
    return bool(
        newest
        and newest.status == SyncRun.Status.FAILED
        and newest.finished_at
        and newest.finished_at > now - FULL_AGAIN
    )


def _phase(connection: Connection, within: timedelta) -> timedelta:
    """This connection's place within a span: the same each time, spread over all of them."""
    return timedelta(seconds=key("phase", connection.pk) % int(within.total_seconds()))


def _night(connection: Connection, now: datetime) -> datetime:
    """The latest moment at which a full sync was due."""
    midnight = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    slot = midnight + _phase(connection, NIGHT)
    return slot if slot <= now else slot - timedelta(days=1)


def _next_beat(connection: Connection, last: datetime, every: timedelta) -> datetime:
    """The first beat of this connection's own clock after `last`."""
    epoch = datetime(2020, 1, 1, tzinfo=UTC) + _phase(connection, every)
    return epoch + ((last - epoch) // every + 1) * every


def _people_due(connection: Connection) -> datetime:
    last = plan.last_good(connection, scope=Scope.PEOPLE)
    full = plan.last_good(connection, scope=Scope.FULL)
    times = [run.started_at for run in (last, full) if run and run.started_at]
    if not times:
        return timezone.now()
    took = timedelta(0)
    if last and last.started_at and last.finished_at:
        took = last.finished_at - last.started_at
    return max(_next_beat(connection, max(times), PEOPLE_EVERY), max(times) + PEOPLE_SHARE * took)


def old_runs() -> QuerySet[SyncRun]:
    """What is kept no longer: readings of people after days, other runs after SYNC_DAYS, save each
    connection's newest full one.
    """
    now = timezone.now()
    ended = SyncRun.objects.exclude(status__in=SyncRun.OPEN).order_by()
    good = ended.filter(
        connection=OuterRef("connection"),
        scope=Scope.FULL,
        status__in=(SyncRun.Status.DONE, SyncRun.Status.PARTIAL),
    )
    people = Q(scope=Scope.PEOPLE, queued_at__lt=now - KEEP_PEOPLE)
    others = ~Q(scope=Scope.PEOPLE) & Q(queued_at__lt=now - timedelta(days=settings.SYNC_DAYS))
    newest = Subquery(good.order_by("-id").values("pk")[:1])
    return ended.filter(people | others).exclude(pk=newest)
