"""A requisition with its applications, and the buttons on each."""

from __future__ import annotations

from django.contrib import messages
from django.core.paginator import Paginator
from django.db.models import Count, F, QuerySet
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import (
    require_http_methods,
    require_POST,
    require_safe,
)

from integrations.ats.types import ApplicationStatus
from portal.accounts.access import MemberRequest, member_only
from portal.applications import perform
from portal.applications.forms import ClickForm, RejectForm
from portal.applications.models import ApplicationAction
from portal.applications.offers import offer
from portal.applications.rows import Row, rows
from portal.core.htmx import page_or_part, summary
from portal.entitlements.rules import Rights, rights, visible_applications, visible_jobs
from portal.mirror.models import Application, Job
from portal.mirror.sync import last_good

PER_PAGE = 50
SHOWN = {"active": "Active", "rejected": "Rejected", "hired": "Hired", "": "All"}


@require_safe
@member_only
def of_job(request: MemberRequest, job_pk: int) -> HttpResponse:
    """One requisition: its pipeline and its applications."""
    held = rights(request.membership)
    job = get_object_or_404(visible_jobs(request.membership, held=held), pk=job_pk)
    applications = visible_applications(request.membership, held=held).filter(job=job)
    status = request.GET.get("status", "active")
    stage = request.GET.get("stage", "")
    page = Paginator(_narrowed(applications, status, stage), PER_PAGE).get_page(
        request.GET.get("page")
    )
    context = {
        "job": job,
        "held": held,
        "pipeline": _pipeline(job, applications),
        "statuses": SHOWN,
        "status": status,
        "stage": stage,
        "page": page,
        "summary": summary(page),
        "rows": rows(page.object_list, job, held),
        "last_sync": last_good(job.connection),
    }
    return page_or_part(request, "applications/of_job.html", "applications", context)


def _narrowed(
    applications: QuerySet[Application], status: str, stage: str
) -> QuerySet[Application]:
    if status in SHOWN and status:
        applications = applications.filter(status=status)
    if stage.isdecimal():
        applications = applications.filter(stage_id=int(stage))
    return applications.select_related("candidate", "stage").order_by(
        F("last_activity_at").desc(nulls_last=True), "id"
    )


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


# -- the buttons -------------------------------------------------------------------------------


def _application(request: MemberRequest, pk: int) -> tuple[Application, Rights]:
    held = rights(request.membership)
    visible = visible_applications(request.membership, held=held)
    found = visible.select_related("candidate", "stage", "job", "connection")
    return get_object_or_404(found, pk=pk), held


@require_safe
@member_only
def row(request: MemberRequest, pk: int) -> HttpResponse:
    """The row as it stands now; a row with an open action asks for itself."""
    application, held = _application(request, pk)
    return _row(request, application, held)


@require_POST
@member_only
def advance(request: MemberRequest, pk: int) -> HttpResponse:
    """Advance to the next stage, in the reader's own name."""
    application, held = _application(request, pk)
    form = ClickForm(request.POST)
    if not form.is_valid():
        note = "This page was incomplete. Please look again and click once more."
        return _back(request, application, held, note=note, status=422)
    return _clicked(request, application, held, form)


@require_http_methods(["GET", "HEAD", "POST"])
@member_only
def reject(request: MemberRequest, pk: int) -> HttpResponse:
    """Ask for a reason, then reject, in the reader's own name."""
    application, held = _application(request, pk)
    if request.method != "POST":
        offered = offer(application, held, ApplicationAction.Kind.REJECT, last_stage=False)
        form = RejectForm(application=application, initial=ClickForm.seen(application))
        return _reject_form(request, application, held, form, why_not=offered.why_not)
    form = RejectForm(request.POST, application=application)
    if not form.is_valid():
        return _reject_form(request, application, held, form, status=422)
    return _clicked(request, application, held, form)


def _reject_form(
    request: MemberRequest,
    application: Application,
    held: Rights,
    form: RejectForm,
    *,
    why_not: str = "",
    status: int = 200,
) -> HttpResponse:
    context = {
        "application": application,
        "form": form,
        "why_not": why_not,
        "acting": held.match.user,
    }
    return page_or_part(request, "applications/reject.html", "reject-row", context, status=status)


def _clicked(
    request: MemberRequest, application: Application, held: Rights, form: ClickForm
) -> HttpResponse:
    try:
        action = perform.request(request.membership, application, form.click(), held=held)
    except perform.NotOffered as refusal:
        return _back(request, application, held, note=refusal.why_not, status=403)
    except perform.StillBusy:
        note = "The last action on this application is still being sent."
        return _back(request, application, held, note=note, status=409)
    if not request.htmx and action.is_open:
        messages.success(request, f"{action.get_kind_display()} is on its way to Greenhouse.")
    return _back(request, application, held)


def _back(
    request: MemberRequest,
    application: Application,
    held: Rights,
    *,
    note: str = "",
    status: int = 200,
) -> HttpResponse:
    """The row for HTMX; without JavaScript the requisition's page, at the row.

    `note` says why nothing was done: in the row, or as a message on the page.
    """
    if request.htmx:
        return _row(request, application, held, note=note, status=status)
    if note:
        messages.error(request, note)
    page = redirect("applications:of_job", job_pk=_job(application).pk)
    page["Location"] += f"#application-{application.pk}"
    return page


def _row(
    request: MemberRequest,
    application: Application,
    held: Rights,
    *,
    note: str = "",
    status: int = 200,
) -> HttpResponse:
    context = {"row": _one(application, held), "note": note}
    return render(request, "applications/_row.html", context, status=status)


def _one(application: Application, held: Rights) -> Row:
    return rows([application], _job(application), held)[0]


def _job(application: Application) -> Job:
    if application.job is None:  # only a prospect has none, and prospects are not visible
        raise Http404
    return application.job
