"""A requisition with its applications, a row for each."""

from __future__ import annotations

from django.core.paginator import Paginator
from django.db.models import Count, QuerySet
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404
from django.utils.functional import SimpleLazyObject
from django.views.decorators.http import require_safe

from integrations.ats.types import ApplicationStatus
from portal.accounts.access import MemberRequest, member_only
from portal.applications import bulk, sittings
from portal.applications.acting import acting, shown_as
from portal.applications.narrowing import SHOWN, alone, chosen_from, list_words, narrowed
from portal.applications.offers import Offer, ground
from portal.applications.rows import row_of, rows
from portal.applications.verbs import VERBS
from portal.applications.views.base import as_it_stands, gone, row_part
from portal.core.htmx import page_or_part, summary
from portal.core.planned import planned_once
from portal.entitlements.rules import Rights, rights, visible_applications, visible_jobs
from portal.jobs.facts import facts
from portal.jobs.visits import visited
from portal.mirror.models import Application, Job

PER_PAGE = 50


@require_safe
@member_only
def of_job(request: MemberRequest, job_pk: int) -> HttpResponse:
    """One requisition: its pipeline and its applications."""
    held = rights(request.membership)
    seen = visible_jobs(request.membership, held=held).select_related("department", "connection")
    job = get_object_or_404(seen, pk=job_pk)
    applications = visible_applications(request.membership, held=held).filter(job=job)
    status, stage = chosen_from(request.GET)
    shown = Paginator(narrowed(applications, status, stage), PER_PAGE)
    page = shown.get_page(request.GET.get("page"))
    one = alone(applications, request.GET, page.object_list)
    if one is not None:
        status, stage = one.status, ""
        page = Paginator([one], PER_PAGE).get_page(1)
    how = acting(request.membership, held.match.connection)
    context = {
        "job": job,
        "held": held,
        "pipeline": _pipeline(job, applications),
        "statuses": SHOWN,
        "status": status,
        "stage": stage,
        "alone": one,
        "listed": list_words(request.GET),
        "page": page,
        "summary": summary(page),
        "rows": rows(page.object_list, request.membership, job.pk, held),
        "sitting": sittings.unfinished(request.membership, job),
        "agree_first": how.why_not,
        "shown_as": shown_as(how, held.match.user),
        "bulk_offers": _many(held, status),
        "most": bulk.MOST,
        "facts": SimpleLazyObject(lambda: facts(job, held)),  # the whole page alone shows them
    }
    # Whoever looks at it as somebody else leaves no trace there.
    if not request.htmx and request.user.pk == request.membership.user_id:
        visited(request.membership, job, held)
    return page_or_part(request, "applications/of_job.html", "applications", context)


def _many(held: Rights, status: str) -> list[Offer]:
    """What can be done to many of the shown ones at once."""
    kinds = bulk.FITTING.get(status, ())
    return [Offer(VERBS[kind], held.why_not(VERBS[kind].feature)) for kind in kinds]


def _pipeline(job: Job, applications: QuerySet[Application]) -> list[dict[str, object]]:
    """The job's active stages in order, each with its number of active applications."""
    counts = dict(
        applications.filter(status=ApplicationStatus.ACTIVE)
        .order_by()
        .values_list("stage_id")
        .annotate(Count("id"))
    )
    stages = job.stages.filter(active=True, gone_at=None).order_by("order", "id")
    return [{"stage": s, "count": counts.get(s.pk, 0)} for s in stages]


@require_safe
@member_only
@planned_once()
def row(request: MemberRequest, pk: int) -> HttpResponse:
    """The row as it stands now; a row with an open action asks for itself."""
    try:
        application, held, last = as_it_stands(request, pk)
    except Http404:
        return gone(request, pk, "gone-row")
    at = ground(request.membership, application.job_id, held)
    return row_part(request, row_of(application, last, request.membership, at))
