"""How many customers reached which setup step, where they stop, and how long each step takes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from statistics import median

from django.db.models import Min
from django.utils import timezone

from portal.accounts.models import Organization
from portal.connections.models import Connection
from portal.core.models import Transition

State = Connection.State
WINDOW = timedelta(days=180)  # shorter than EVENT_DAYS, after which transitions are deleted
MAX_LISTED = 10
# Each step is reached on first entering one of its states, or a later step's.
_STEPS: tuple[tuple[str, frozenset[str]], ...] = (
    ("Customer created", frozenset()),
    ("Credential added", frozenset({State.CHECKING})),
    ("Permissions checked", frozenset({State.SYNCING})),
    ("Live", Connection.LIVE_STATES),
)


@dataclass(frozen=True)
class FunnelStep:
    label: str
    reached_count: int
    percent: int
    median_time: timedelta | None  # from the step before
    stopped: list[tuple[Organization, datetime]]  # customers that got no further, and since when
    stopped_count: int


def build_funnel() -> list[FunnelStep]:
    """Steps of the customers created within WINDOW, by two queries."""
    organizations = list(
        Organization.objects.filter(created_at__gte=timezone.now() - WINDOW)
        .select_related("connection")
        .order_by("created_at", "pk")
    )
    first_entries = _list_first_entries(organizations)
    progress = [
        (organization, _list_step_times(organization, first_entries))
        for organization in organizations
    ]
    return [_build_step(index, progress) for index in range(len(_STEPS))]


def _list_first_entries(organizations: Sequence[Organization]) -> dict[int, dict[str, datetime]]:
    """When each connection first entered each state."""
    states = [state for _, step_states in _STEPS for state in step_states]
    rows = (
        Transition.objects.filter(
            subject="connections.connection",
            subject_id__in=[o.connection.pk for o in organizations if hasattr(o, "connection")],
            new__in=states,
        )
        .order_by()
        .values_list("subject_id", "new")
        .annotate(first=Min("at"))
    )
    entries: dict[int, dict[str, datetime]] = {}
    for connection_id, state, at in rows:
        entries.setdefault(connection_id, {})[state] = at
    return entries


def _list_step_times(
    organization: Organization, first_entries: dict[int, dict[str, datetime]]
) -> list[datetime]:
    """When the customer reached each step, as far as it came."""
    connection = getattr(organization, "connection", None)
    entries = first_entries.get(connection.pk, {}) if connection else {}
    times = [organization.created_at]
    for index in range(1, len(_STEPS)):
        states = frozenset().union(*(step_states for _, step_states in _STEPS[index:]))
        reached = [at for state, at in entries.items() if state in states]
        if not reached:
            break
        times.append(min(reached))
    return times


def _build_step(index: int, progress: Sequence[tuple[Organization, list[datetime]]]) -> FunnelStep:
    reached = [times for _, times in progress if len(times) > index]
    stopped = [
        (organization, times[index])
        for organization, times in progress
        if len(times) == index + 1 and index + 1 < len(_STEPS)
    ]
    durations = [times[index] - times[index - 1] for times in reached] if index else []
    return FunnelStep(
        label=_STEPS[index][0],
        reached_count=len(reached),
        percent=round(100 * len(reached) / len(progress)) if progress else 0,
        median_time=timedelta(seconds=median(d.total_seconds() for d in durations))
        if durations
        else None,
        stopped=stopped[:MAX_LISTED],
        stopped_count=len(stopped),
    )
