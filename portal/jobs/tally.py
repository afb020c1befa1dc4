"""Counting, per requisition, what the list is ordered and filtered by.

What the list shows is counted when it is shown. But an order by what waits longest would need all
applications of all requisitions for that, so the numbers it goes by are kept on the job. They are
brought up to date, for jobs whose applications or candidates changed, each minute and after a sync.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta

from django.db.models import Count, F, Min, OuterRef, Subquery
from django.db.models.functions import Coalesce
from django.utils import timezone

from integrations.ats.types import ApplicationStatus
from portal.connections.features import features
from portal.connections.models import Connection
from portal.entitlements.rules import public_applications
from portal.jobs.models import Tally
from portal.mirror.models import Application, Job

# A change is stamped before its transaction ends; so much later it is surely visible.
OVERLAP = timedelta(minutes=5)
AT_ONCE = 500


def count(connection: Connection) -> int:
    """Bring the numbers up to date; gives back how many jobs were counted. Safe to repeat."""
    now = timezone.now()
    last, _ = Tally.objects.get_or_create(connection=connection)
    jobs = Job.objects.filter(connection=connection)
    touched = list(
        jobs.values_list("pk", flat=True) if last.until is None else _touched(connection, last)
    )
    for start in range(0, len(touched), AT_ONCE):
        _count(connection, touched[start : start + AT_ONCE])
    Tally.objects.filter(pk=last.pk).update(until=now)
    return len(touched)


def _touched(connection: Connection, last: Tally) -> Iterable[int]:
    since = (last.until or timezone.now()) - OVERLAP
    ours = Application.objects.filter(connection=connection, job__isnull=False).order_by()
    changed = ours.filter(changed_at__gt=since).values_list("job_id", flat=True)
    people = ours.filter(
        candidate__connection=connection, candidate__changed_at__gt=since
    ).values_list("job_id", flat=True)
    return changed.union(people)


def _count(connection: Connection, pks: list[int]) -> None:
    waiting = (
        public_applications(features(connection))
        .filter(job=OuterRef("pk"), status=ApplicationStatus.ACTIVE)
        .order_by()
        .values("job")
    )
    Job.objects.filter(pk__in=pks).update(
        active_applications=Coalesce(Subquery(waiting.annotate(n=Count("pk")).values("n")), 0),
        waiting_since=Subquery(waiting.annotate(since=Min(waiting_since())).values("since")),
    )


def waiting_since() -> Coalesce:
    """Since when nothing happened on an application."""
    return Coalesce(F("last_activity_at"), F("applied_at"))
