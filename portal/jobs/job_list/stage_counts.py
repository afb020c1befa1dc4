"""Stored counts that the requisition list is sorted and filtered by, and figures about answers.

Sorting by longest wait would otherwise read all applications. Counts of changed jobs are updated
every minute and after each sync, those of all jobs after a full sync.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta

from django.db import transaction
from django.db.models import (
    Count,
    DateTimeField,
    Exists,
    ExpressionWrapper,
    F,
    Min,
    OuterRef,
    Q,
    QuerySet,
    Subquery,
)
from django.db.models.functions import Coalesce
from django.utils import timezone

from integrations.ats.types import ApplicationStatus
from portal.connections.models import Connection
from portal.connections.permissions.features import load_features
from portal.core import queue
from portal.entitlements.rules import public_applications
from portal.jobs.answers import tallies, tally_sums
from portal.jobs.answers.promise import get_promise
from portal.jobs.answers.tally_sums import CHANGE_OVERLAP
from portal.jobs.models import StageCount, StageCountRun
from portal.sync.models import Application, Candidate, Job, Stage, StageName

UPDATE_TASK = "portal.jobs.tasks.update_counts"
RECOUNT_TASK = "portal.jobs.tasks.recount_connection"
BATCH_SIZE = 500
_SPREAD_SECONDS = 50  # of a minute: a core is free for clicks between two customers' counts
_INACTIVE_STATES = (
    Connection.State.DRAFT,
    Connection.State.PAUSED,
    Connection.State.DISCONNECTED,
)


def request_count_update(connection_id: int, whole: bool) -> None:
    connections = Connection.objects.filter(pk=connection_id)
    queue.enqueue_task(
        RECOUNT_TASK if whole else UPDATE_TASK,
        connection_id,
        organization_id=connections.values_list("organization_id", flat=True).first(),
    )


def request_changed_counts() -> None:
    """Queue the counts of all changed connections, spread over the minute until the next time,
    unless they are queued already.
    """
    changed = queue.exclude_queued(list_changed_connections(), UPDATE_TASK)
    organization_ids = list(changed.values_list("pk", "organization_id"))
    now = timezone.now()
    for position, (connection_id, organization_id) in enumerate(organization_ids):
        delay = timedelta(seconds=_SPREAD_SECONDS * position / len(organization_ids))
        queue.enqueue_task(
            UPDATE_TASK, connection_id, organization_id=organization_id, due_at=now + delay
        )


def update_counts(connection: Connection, *, whole: bool = False) -> int:
    """Update the counts of changed jobs, or all with `whole`; return how many. Safe to repeat."""
    now = timezone.now()
    last_run, _ = StageCountRun.objects.get_or_create(connection=connection)
    whole = whole or last_run.counted_until is None
    jobs = Job.objects.filter(connection=connection).values_list("pk", flat=True)
    changed_ids = sorted(jobs if whole else _list_changed_job_ids(connection, last_run))
    promise = get_promise(connection.organization_id)
    public = public_applications(load_features(connection).unavailable)
    active = public.filter(status=ApplicationStatus.ACTIVE)
    for start in range(0, len(changed_ids), BATCH_SIZE):
        pks = changed_ids[start : start + BATCH_SIZE]
        with transaction.atomic():  # the first UPDATE locks the jobs against deletion
            _update_job_counts(active, pks)
            _update_stage_counts(connection, active, pks)
            tallies.update_tallies(public, pks, promise)
    tally_sums.update_sums(last_run, changed_ids, whole=whole)
    counted_promise = {"promise_changed_at": promise.changed_at} if whole else {}
    StageCountRun.objects.filter(pk=last_run.pk).update(counted_until=now, **counted_promise)
    return len(changed_ids)


def list_changed_connections() -> QuerySet[Connection]:
    """Return the active connections that may have uncounted changes, the oldest count first."""
    runs = StageCountRun.objects.annotate(
        since=ExpressionWrapper(F("counted_until") - CHANGE_OVERLAP, output_field=DateTimeField())
    )
    changed = Q(counted_until=None)
    for model in (Application, Candidate, Stage, Job):
        changed |= Q(
            Exists(
                model._default_manager.filter(
                    connection=OuterRef("connection"), changed_at__gt=OuterRef("since")
                )
            )
        )
    uncounted = ~Exists(StageCountRun.objects.filter(connection=OuterRef("pk")))
    connections = Connection.objects.exclude(state__in=_INACTIVE_STATES).filter(
        Q(pk__in=runs.filter(changed).values("connection")) | uncounted
    )
    last_run = StageCountRun.objects.filter(connection=OuterRef("pk"))
    counted_until = Subquery(last_run.values("counted_until"))
    return connections.order_by(counted_until.asc(nulls_first=True))


def _list_changed_job_ids(connection: Connection, last_run: StageCountRun) -> Iterable[int]:
    since = (last_run.counted_until or timezone.now()) - CHANGE_OVERLAP
    own_applications = Application.objects.filter(
        connection=connection, job__isnull=False
    ).order_by()
    changed = own_applications.filter(changed_at__gt=since).values_list("job_id", flat=True)
    moved = Application.objects.filter(
        connection=connection, changed_at__gt=since, previous_job_id__isnull=False
    ).order_by()
    of_changed_candidates = own_applications.filter(
        candidate__connection=connection, candidate__changed_at__gt=since
    ).values_list("job_id", flat=True)
    changed_stages = Stage.objects.filter(connection=connection, changed_at__gt=since)
    changed_jobs = Job.objects.filter(connection=connection, changed_at__gt=since).order_by()
    return changed.union(
        moved.values_list("previous_job_id", flat=True),
        of_changed_candidates,
        changed_stages.order_by().values_list("job_id", flat=True),
        changed_jobs.values_list("pk", flat=True),
    )


def _update_job_counts(active: QuerySet[Application], pks: list[int]) -> None:
    active_on_job = active.filter(job=OuterRef("pk")).order_by().values("job")
    Job.objects.filter(pk__in=pks).update(
        active_applications=Coalesce(
            Subquery(active_on_job.annotate(n=Count("pk")).values("n")), 0
        ),
        waiting_since=Subquery(
            active_on_job.annotate(since=Min(build_waiting_since())).values("since")
        ),
    )


def _update_stage_counts(
    connection: Connection, active: QuerySet[Application], pks: list[int]
) -> None:
    in_stages = active.filter(job__in=pks, stage__isnull=False).order_by()
    counted = list(in_stages.values_list("job_id", "stage__name").annotate(n=Count("pk")))
    names = _get_stage_name_ids(connection, {name for _, name, _ in counted})
    new_counts = {(job, names[name]): n for job, name, n in counted}
    stored_counts = StageCount.objects.filter(job__in=pks).values_list(
        "job_id", "stage_id", "active", "pk"
    )
    old_counts = {(job, stage): (n, pk) for job, stage, n, pk in stored_counts}
    stale_ids = [pk for key, (_, pk) in old_counts.items() if key not in new_counts]
    StageCount.objects.filter(pk__in=stale_ids).delete()
    StageCount.objects.bulk_create(
        [
            StageCount(job_id=job, stage_id=stage, active=n)
            for (job, stage), n in new_counts.items()
            if old_counts.get((job, stage), (None,))[0] != n
        ],
        update_conflicts=True,
        unique_fields=["job", "stage"],
        update_fields=["active"],
    )


def _get_stage_name_ids(connection: Connection, wanted: set[str]) -> dict[str, int]:
    stage_names = StageName.objects.filter(connection=connection, name__in=wanted)
    ids_by_name = dict(stage_names.values_list("name", "pk"))
    if missing_names := wanted - ids_by_name.keys():
        StageName.objects.bulk_create(
            [StageName(connection=connection, name=name) for name in sorted(missing_names)],
            ignore_conflicts=True,
        )
        ids_by_name = dict(stage_names.all().values_list("name", "pk"))
    return ids_by_name


def build_waiting_since() -> Coalesce:
    return Coalesce(F("last_activity_at"), F("applied_at"))
