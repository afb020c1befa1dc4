"""What a run is to read: which lists, and since when each is asked for changes."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from django.db.models import Max
from django.utils import timezone

from portal.connections.models import Connection
from portal.mirror.models import SyncRun, SyncStep
from portal.mirror.steps import STEPS, Step

# Greenhouse's filter is asked for a little more than is missing: clocks differ, pages take time.
OVERLAP = timedelta(minutes=10)

Scope = SyncRun.Scope


def steps_of(run: SyncRun) -> list[SyncStep]:
    """The steps of a new run, not stored yet."""
    expected = _seen_last_time(run.connection)
    return [
        SyncStep(run=run, kind=step.kind, expected=expected.get(step.kind), since=since)
        for step, since in _plan(run.connection, run.scope)
    ]


def for_new_jobs(run: SyncRun) -> Iterator[SyncStep]:
    """The steps that new requisitions bring before their hour has come, stored."""
    last_read = _last_reads(run.connection)
    for step in STEPS:
        if step.follows_new_jobs:
            last = last_read.get(step.kind)
            since = last - OVERLAP if last and step.filters else None
            yield SyncStep.objects.get_or_create(
                run=run, kind=step.kind, defaults={"since": since}
            )[0]


def _plan(connection: Connection, scope: str) -> Iterator[tuple[Step, datetime | None]]:
    """The steps of a run, and since when each is asked for changes (None: the whole list)."""
    last_read = _last_reads(connection)
    for step in STEPS:
        if scope == Scope.PEOPLE:
            if step.people:
                yield step, None
        elif scope == Scope.FULL:
            yield step, None
        elif step.every is not None:
            last = last_read.get(step.kind)
            if last is None or not step.every or last + step.every <= timezone.now():
                yield step, (last - OVERLAP if last and step.filters else None)


def _last_reads(connection: Connection) -> dict[str, datetime]:
    """By kind of step, the start of the last run that read this list to its end."""
    done = SyncStep.objects.filter(run__connection=connection, status=SyncStep.Status.DONE)
    latest = done.order_by().values_list("kind").annotate(at=Max("run__started_at"))
    return dict(latest)


def _seen_last_time(connection: Connection) -> dict[str, int]:
    last = last_good(connection, scope=Scope.FULL)
    steps = last.steps.filter(status=SyncStep.Status.DONE) if last else SyncStep.objects.none()
    return dict(steps.values_list("kind", "seen"))


def last_good(connection: Connection, *, scope: str | None = None) -> SyncRun | None:
    """The newest run that reached its end, None before the first. Readings of people alone do not
    count, unless asked for.
    """
    ended = connection.syncs.filter(status__in=(SyncRun.Status.DONE, SyncRun.Status.PARTIAL))
    if scope is not None:
        return ended.filter(scope=scope).first()
    return ended.exclude(scope=Scope.PEOPLE).first()
