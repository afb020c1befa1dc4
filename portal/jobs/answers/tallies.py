"""Stored figures about answers, by requisition and day (`DecisionTally`, `Job.undecided`).

Otherwise each page would read all applications. They are updated with the stage counts, and all of
a connection when the organization's promise or calendar changes.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

from django.db.models import Count, Min, Q, QuerySet
from django.db.models.functions import TruncDate
from django.utils import timezone

from integrations.ats.types import ApplicationStatus
from portal.jobs.answers.promise import Promise
from portal.jobs.models import DecisionTally
from portal.sync.models import Application, Job

# The longest period that a page shows, and what time zones may add to it.
TALLIED_PERIOD = timedelta(days=93)
_COUNTS = ("waiting", "in_time", "late", "unknown")
_JOB_FIELDS = ("undecided", "undecided_since", "decision_unknown")

DayCounts = dict[str, int]


@dataclass
class _JobState:
    undecided: int = 0
    undecided_since: datetime | None = None
    decision_unknown: int = 0
    counts_by_day: dict[date, DayCounts] = field(
        default_factory=lambda: defaultdict(lambda: dict.fromkeys(_COUNTS, 0))
    )


def update_tallies(
    applications: QuerySet[Application], pks: Sequence[int], promise: Promise
) -> None:
    """Store the figures of these jobs; `applications` are all that count, of any status."""
    states: dict[int, _JobState] = {pk: _JobState() for pk in pks}
    own_applications = applications.filter(job__in=pks).order_by()
    _add_waiting(states, own_applications, promise)
    _add_answers(states, own_applications, promise)
    _save_job_fields(states)
    _save_tallies(states)


def _add_waiting(
    states: dict[int, _JobState], applications: QuerySet[Application], promise: Promise
) -> None:
    waiting = applications.filter(
        Q(needs_decision=True) | Q(needs_decision=None), status=ApplicationStatus.ACTIVE
    )
    groups = (
        waiting.annotate(day=TruncDate("decision_needed_at", tzinfo=promise.zone))
        .values_list("job_id", "needs_decision", "day")
        .annotate(n=Count("pk"), since=Min("decision_needed_at"))
    )
    for job_id, needs_decision, day, n, since in groups:
        state = states[job_id]
        if needs_decision is None:
            state.decision_unknown += n
            continue
        state.undecided += n
        if day is not None:
            state.counts_by_day[day]["waiting"] += n
            state.undecided_since = min(since, state.undecided_since or since)


def _add_answers(
    states: dict[int, _JobState], applications: QuerySet[Application], promise: Promise
) -> None:
    groups = (
        applications.filter(answered_at__gt=timezone.now() - TALLIED_PERIOD)
        .annotate(
            answered_on=TruncDate("answered_at", tzinfo=promise.zone),
            needed_on=TruncDate("answer_needed_at", tzinfo=promise.zone),
        )
        .values_list("job_id", "answered_on", "needed_on")
        .annotate(n=Count("pk"))
    )
    for job_id, answered_on, needed_on, n in groups:
        if needed_on is None:
            kind = "unknown"
        else:
            kind = "in_time" if promise.is_in_time(needed_on, answered_on) else "late"
        states[job_id].counts_by_day[answered_on][kind] += n


def _save_job_fields(states: dict[int, _JobState]) -> None:
    changed_jobs = []
    for job in Job.objects.filter(pk__in=states).only("pk", *_JOB_FIELDS):
        state = states[job.pk]
        values = (state.undecided, state.undecided_since, state.decision_unknown)
        if values != (job.undecided, job.undecided_since, job.decision_unknown):
            job.undecided, job.undecided_since, job.decision_unknown = values
            changed_jobs.append(job)
    if changed_jobs:
        Job.objects.bulk_update(changed_jobs, _JOB_FIELDS)


def _save_tallies(states: dict[int, _JobState]) -> None:
    stored = {
        (tally.job_id, tally.day): tally for tally in DecisionTally.objects.filter(job__in=states)
    }
    current = {
        (pk, day): counts
        for pk, state in states.items()
        for day, counts in state.counts_by_day.items()
    }
    stale_ids = [tally.pk for key, tally in stored.items() if key not in current]
    DecisionTally.objects.filter(pk__in=stale_ids).delete()
    DecisionTally.objects.bulk_create(
        [
            DecisionTally(job_id=job_id, day=day, **counts)
            for (job_id, day), counts in current.items()
            if (tally := stored.get((job_id, day))) is None
            or any(getattr(tally, name) != n for name, n in counts.items())
        ],
        update_conflicts=True,
        unique_fields=["job", "day"],
        update_fields=_COUNTS,
    )
