"""What a run is to read: which lists, and since when each is asked for changes.

A list that nothing switched on needs is left out, and the run says why. Once a check has found what
it needs granted, the next sync reads everything: what hangs on its records is here without them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Max, Q
from django.utils import timezone

from portal.connections.features import features
from portal.connections.models import Connection
from portal.mirror.models import SyncRun, SyncStep
from portal.mirror.steps import STEPS, Step

# Greenhouse's filter is asked for a little more than is missing: clocks differ, pages take time.
OVERLAP = timedelta(minutes=10)

Scope = SyncRun.Scope
_Status = SyncStep.Status


def of(connection: Connection, scope: str) -> tuple[str, list[SyncStep]]:
    """What a new run reads, and its steps: neither is stored. It is everything instead of what
    changed where a list that was left out is needed again.
    """
    now, lists = timezone.now(), list(_lists(connection))
    if scope == Scope.RECENT and any(one.is_back for one in lists if not one.definition.people):
        scope = Scope.FULL
    steps = [one.step(scope) for one in lists if one.is_due(scope, now)]
    expected = _seen_last_time(connection)
    for step in steps:
        step.expected = expected.get(step.kind)
    return scope, steps


def for_new_jobs(run: SyncRun) -> Iterator[SyncStep]:
    """The steps that new requisitions bring before their hour has come, stored."""
    have = set(run.steps.values_list("kind", flat=True))
    for one in _lists(run.connection):
        if one.definition.follows_new_jobs and one.definition.kind not in have:
            step = one.step(run.scope)
            step.run = run
            step.save()
            yield step


@dataclass(frozen=True)
class _List:
    """A list of Greenhouse's: when it was last read to its end, whether the last run that came to
    it left it out, and why nothing needs it now ("" where something does).
    """

    definition: Step
    not_needed: str
    read_at: datetime | None = None
    left_out: bool = False

    def is_due(self, scope: str, now: datetime) -> bool:
        """Whether a run of this scope is to read it, or to say that it leaves it out."""
        step = self.definition
        if scope != Scope.RECENT:
            return step.people or scope == Scope.FULL
        if step.people or step.every is None:
            return False
        return not step.every or self.read_at is None or self.read_at + step.every <= now

    @property
    def is_back(self) -> bool:
        """Whether it was left out and is needed now."""
        return self.left_out and not self.not_needed

    def step(self, scope: str) -> SyncStep:
        """Its step in a run of this scope, without the run."""
        kind, because = self.definition.kind, self.not_needed[:300]
        if because:
            return SyncStep(kind=kind, status=_Status.LEFT_OUT, because=because)
        return SyncStep(kind=kind, since=self._since(scope))

    def _since(self, scope: str) -> datetime | None:
        """Since when it is asked for what changed; None for the whole list."""
        if scope != Scope.RECENT or not self.definition.filters or self.read_at is None:
            return None
        return self.read_at - OVERLAP


def _lists(connection: Connection) -> Iterator[_List]:
    known, pasts = features(connection), _pasts(connection)
    for step in STEPS:
        yield _List(step, step.not_needed(known), *pasts.get(step.kind, ()))


def _pasts(connection: Connection) -> dict[str, tuple[datetime | None, bool]]:
    """By kind of step: when it was last read to its end, and whether it was left out since.

    One that was refused although a check had found it granted was asked for: once is enough.
    """
    done, left_out = Q(status=_Status.DONE), Q(status=_Status.LEFT_OUT)
    asked = done | Q(status=_Status.REFUSED)
    steps = SyncStep.objects.filter(asked | left_out, run__connection=connection).order_by()
    told = steps.values_list("kind").annotate(
        read_at=Max("run__started_at", filter=done),
        asked_by=Max("run", filter=asked),
        left_by=Max("run", filter=left_out),
    )
    return {kind: (at, (left_by or 0) > (asked_by or 0)) for kind, at, asked_by, left_by in told}


def _seen_last_time(connection: Connection) -> dict[str, int]:
    last = last_good(connection, scope=Scope.FULL)
    steps = last.steps.filter(status=_Status.DONE) if last else SyncStep.objects.none()
    return dict(steps.values_list("kind", "seen"))


def last_good(connection: Connection, *, scope: str | None = None) -> SyncRun | None:
    """The newest run that reached its end, None before the first. Readings of people alone do not
    count, unless asked for.
    """
    ended = connection.syncs.filter(status__in=(SyncRun.Status.DONE, SyncRun.Status.PARTIAL))
    if scope is not None:
        return ended.filter(scope=scope).first()
    return ended.exclude(scope=Scope.PEOPLE).first()
