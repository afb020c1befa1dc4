"""Counting, per requisition, what the list is ordered and filtered by.

What the list shows is counted when it is shown. But an order by what waits longest would need all
applications of all requisitions for that, so the numbers it goes by are kept: on the job, and for
its stages beside it. They are brought up to date, for jobs whose applications, candidates or stages
changed and those that an application left, each minute and after a sync; for all jobs after a sync
that read everything.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta

from django.db import transaction
from django.db.models import Count, F, Min, OuterRef, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.utils import timezone

from integrations.ats.types import ApplicationStatus
from portal.connections.features import features
from portal.connections.models import Connection
from portal.entitlements.rules import public_applications
from portal.jobs.models import StageTally, Tally
from portal.mirror.models import Application, Job, Stage, StageName

# A change is stamped before its transaction ends; so much later it is surely visible.
OVERLAP = timedelta(minutes=5)
AT_ONCE = 500


def count(connection: Connection, *, whole: bool = False) -> int:
    """Bring the numbers up to date; gives back how many jobs were counted. Safe to repeat.

    `whole`: of all jobs, whether they changed or not.
    """
    now = timezone.now()
    last, _ = Tally.objects.get_or_create(connection=connection)
    whole = whole or last.until is None
    jobs = Job.objects.filter(connection=connection).values_list("pk", flat=True)
    touched = sorted(jobs if whole else _touched(connection, last))
    active = public_applications(features(connection)).filter(status=ApplicationStatus.ACTIVE)
    for start in range(0, len(touched), AT_ONCE):
        pks = touched[start : start + AT_ONCE]
        with transaction.atomic():  # the first statement holds the jobs: none is deleted meanwhile
            _count(active, pks)
            _count_stages(connection, active, pks)
    Tally.objects.filter(pk=last.pk).update(until=now)
    return len(touched)


def _touched(connection: Connection, last: Tally) -> Iterable[int]:
    since = (last.until or timezone.now()) - OVERLAP
    ours = Application.objects.filter(connection=connection, job__isnull=False).order_by()
    changed = ours.filter(changed_at__gt=since).values_list("job_id", flat=True)
    moved = Application.objects.filter(
        connection=connection, changed_at__gt=since, left_job__isnull=False
    ).order_by()
    people = ours.filter(
        candidate__connection=connection, candidate__changed_at__gt=since
    ).values_list("job_id", flat=True)
    renamed = Stage.objects.filter(connection=connection, changed_at__gt=since)
    return changed.union(
        moved.values_list("left_job", flat=True),
        people,
        renamed.order_by().values_list("job_id", flat=True),
    )


def _count(active: QuerySet[Application], pks: list[int]) -> None:
    waiting = active.filter(job=OuterRef("pk")).order_by().values("job")
    Job.objects.filter(pk__in=pks).update(
        active_applications=Coalesce(Subquery(waiting.annotate(n=Count("pk")).values("n")), 0),
        waiting_since=Subquery(waiting.annotate(since=Min(waiting_since())).values("since")),
    )


def _count_stages(connection: Connection, active: QuerySet[Application], pks: list[int]) -> None:
    """By the names of stages; only what differs is written."""
    in_stages = active.filter(job__in=pks, stage__isnull=False).order_by()
    counted = list(in_stages.values_list("job_id", "stage__name").annotate(n=Count("pk")))
    names = _names(connection, {name for _, name, _ in counted})
    now = {(job, names[name]): n for job, name, n in counted}
    kept = StageTally.objects.filter(job__in=pks).values_list("job_id", "stage_id", "active", "pk")
    before = {(job, stage): (n, pk) for job, stage, n, pk in kept}
    over = [pk for key, (_, pk) in before.items() if key not in now]
    StageTally.objects.filter(pk__in=over).delete()
    StageTally.objects.bulk_create(
        [
            StageTally(job_id=job, stage_id=stage, active=n)
            for (job, stage), n in now.items()
            if before.get((job, stage), (None,))[0] != n
        ],
        update_conflicts=True,
        unique_fields=["job", "stage"],
        update_fields=["active"],
    )


def _names(connection: Connection, wanted: set[str]) -> dict[str, int]:
    """The keys of these names; new ones are kept from now on."""
    known = StageName.objects.filter(connection=connection, name__in=wanted)
    found = dict(known.values_list("name", "pk"))
    if new := wanted - found.keys():
        StageName.objects.bulk_create(
            [StageName(connection=connection, name=name) for name in sorted(new)],
            ignore_conflicts=True,
        )
        found = dict(known.all().values_list("name", "pk"))
    return found


def waiting_since() -> Coalesce:
    """Since when nothing happened on an application."""
    return Coalesce(F("last_activity_at"), F("applied_at"))
