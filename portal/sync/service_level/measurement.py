"""Compute from sync runs and state changes which minutes met the freshness promise.

Nothing is sampled: minutes in which no worker ran are judged afterwards like all others.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import OuterRef, Q, QuerySet, Subquery

from portal.accounts.activity import ACTIVE_FOR
from portal.accounts.models import ActivityPeriod
from portal.connections.models import Connection
from portal.core.models import Transition
from portal.sync.freshness import PROMISED_AGE
from portal.sync.models import FreshnessKind, SyncRun
from portal.sync.service_level.periods import MinuteMasks, Period

Scope, State = SyncRun.Scope, Connection.State
MaskKey = tuple[int, FreshnessKind]  # connection ID and kind
Span = tuple[datetime, datetime]  # begin and end; the end is not a part of it

_UNCOUNTED_STATES = {State.DRAFT, State.PAUSED, State.DISCONNECTED}
_KINDS_OF_SCOPE = {
    Scope.FULL: (FreshnessKind.DATA, FreshnessKind.ACCESS),
    Scope.RECENT: (FreshnessKind.DATA,),
    Scope.PEOPLE: (FreshnessKind.ACCESS,),
}
_MAX_PROMISED_AGE = max(PROMISED_AGE.values())
_INSTANT = timedelta(microseconds=1)


@dataclass(frozen=True)
class _StateChange:
    at: datetime
    old: str
    new: str


@dataclass(frozen=True)
class _ReadRun:
    kinds: tuple[FreshnessKind, ...]
    started_at: datetime
    finished_at: datetime


def measure_minutes(
    connections: QuerySet[Connection], period: Period
) -> dict[MaskKey, MinuteMasks]:
    """Return the masks of every synced connection, with four queries."""
    if not period.minute_count:
        return {}
    changes = _load_state_changes(connections, period)
    runs = _load_runs(connections, period)
    activity = _load_activity(connections, period)
    measured = {}
    for connection_id, state, first_synced_at in _list_synced_connections(connections):
        spans = list(_list_counted_spans(state, changes[connection_id], first_synced_at, period))
        spans_of_kind = {
            FreshnessKind.DATA: spans,
            FreshnessKind.ACCESS: _intersect_spans(spans, activity[connection_id]),
        }
        for kind, spans in spans_of_kind.items():
            within = _build_within_mask(kind, runs[connection_id], period)
            measured[connection_id, kind] = _compute_masks(kind, spans, within, period)
    return measured


def _build_within_mask(kind: FreshnessKind, runs: list[_ReadRun], period: Period) -> int:
    mask = 0
    for run in runs:
        if kind in run.kinds:
            mask |= period.build_mask(run.finished_at, run.started_at + PROMISED_AGE[kind])
    return mask


def _compute_masks(
    kind: FreshnessKind, spans: list[Span], within: int, period: Period
) -> MinuteMasks:
    counted = catching_up = 0
    for begin, end in spans:
        counted |= period.build_mask(begin, end - _INSTANT)
        # After a pause, or a long first sync, the next sync has the promised time to catch up.
        catching_up |= period.build_mask(begin, begin + PROMISED_AGE[kind])
    counted &= ~(catching_up & ~within)
    return MinuteMasks(counted, within & counted)


def _intersect_spans(spans: list[Span], others: list[Span]) -> list[Span]:
    pairs = ((max(a, c), min(b, d)) for a, b in spans for c, d in others)
    return [(begin, end) for begin, end in pairs if begin < end]


def _list_counted_spans(
    current_state: str, changes: list[_StateChange], first_synced_at: datetime, period: Period
) -> Iterator[Span]:
    """Yield begin and end of each time that counts; an end is not a part of it."""
    state = changes[0].old if changes else current_state
    times = [change.at for change in changes]
    begins = [period.start - _MAX_PROMISED_AGE, *times]
    ends = [*times, period.end + _INSTANT]
    states = [state, *(change.new for change in changes)]
    is_in_span, span_begin = False, first_synced_at
    for begin, end, state in zip(begins, ends, states, strict=True):
        if state in _UNCOUNTED_STATES:
            is_in_span = False
            continue
        if not is_in_span:  # CHECKING and back is no new beginning
            is_in_span, span_begin = True, max(begin, first_synced_at)
        if end > span_begin:
            yield span_begin, end


# -- loading --------------------------------------------------------------------------------------
def _list_synced_connections(
    connections: QuerySet[Connection],
) -> QuerySet[Connection, tuple[int, str, datetime]]:
    full_runs = SyncRun.objects.filter(
        connection=OuterRef("pk"), scope=Scope.FULL, status__in=SyncRun.COMPLETED
    )
    first = Subquery(full_runs.order_by("id").values("finished_at")[:1])
    synced = connections.order_by().annotate(first_synced_at=first)
    return synced.exclude(first_synced_at=None).values_list("pk", "state", "first_synced_at")


def _load_state_changes(
    connections: QuerySet[Connection], period: Period
) -> dict[int, list[_StateChange]]:
    changes: dict[int, list[_StateChange]] = defaultdict(list)
    rows = Transition.objects.filter(
        subject=Connection._meta.label_lower,
        subject_id__in=connections.order_by().values("pk"),
        at__gt=period.start - _MAX_PROMISED_AGE,
    )
    for connection_id, at, old, new in rows.order_by("at", "id").values_list(
        "subject_id", "at", "old", "new"
    ):
        changes[connection_id].append(_StateChange(at, old, new))
    return changes


def _load_activity(connections: QuerySet[Connection], period: Period) -> dict[int, list[Span]]:
    """Times in which access counts, per connection."""
    spans: dict[int, list[Span]] = defaultdict(list)
    rows = ActivityPeriod.objects.filter(
        organization__connection__in=connections.order_by().values("pk"),
        last_at__gt=period.start - ACTIVE_FOR,
        began_at__lt=period.end,
    )
    for connection_id, began_at, last_at in rows.order_by("began_at").values_list(
        "organization__connection", "began_at", "last_at"
    ):
        spans[connection_id].append((began_at, last_at + ACTIVE_FOR))
    return spans


def _load_runs(connections: QuerySet[Connection], period: Period) -> dict[int, list[_ReadRun]]:
    runs: dict[int, list[_ReadRun]] = defaultdict(list)
    people = Q(scope=Scope.PEOPLE)
    access_age, data_age = PROMISED_AGE[FreshnessKind.ACCESS], PROMISED_AGE[FreshnessKind.DATA]
    rows = SyncRun.objects.filter(
        (people & Q(started_at__gt=period.start - access_age))
        | (~people & Q(started_at__gt=period.start - data_age)),
        connection__in=connections.order_by().values("pk"),
        status__in=SyncRun.COMPLETED,
        # Implied by the start, but indexed.
        finished_at__gt=period.start - _MAX_PROMISED_AGE,
    )
    for connection_id, scope, started_at, finished_at in rows.order_by().values_list(
        "connection_id", "scope", "started_at", "finished_at"
    ):
        if started_at and finished_at:
            kinds = _KINDS_OF_SCOPE[Scope(scope)]
            runs[connection_id].append(_ReadRun(kinds, started_at, finished_at))
    return runs
