from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import HttpResponse, StreamingHttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from portal.accounts.access import MemberRequest, member_only, poll_view
from portal.audit.member_actions import record_member_action
from portal.audit.presentation import redact_search
from portal.connections.outage import is_greenhouse_down
from portal.entitlements.access_refresh import refresh_old_access
from portal.entitlements.lookup import (
    explain_access_to_admin,
    explain_no_own_access,
    explain_own_access,
)
from portal.entitlements.rules import (
    Rights,
    explain_no_access,
    get_rights,
    visible_jobs,
)
from portal.jobs import pins
from portal.jobs.forms import ExplainAccessForm
from portal.jobs.job_list import csv_export, empty_states, list_page
from portal.jobs.job_list.filters import JobFilters, parse_filters
from portal.jobs.job_list.list_page import ListRequest
from portal.jobs.job_list.rows import build_rows
from portal.jobs.job_page import last_viewed
from portal.jobs.job_page.details import get_job_details, get_job_url
from portal.jobs.job_page.lookup import get_visible_job_or_404
from portal.jobs.saved_views import SavedViews
from portal.sync.freshness import get_freshness
from portal.web.csv_rows import build_csv_response
from portal.web.htmx import render_page_or_partial
from portal.web.list_urls import update_browser_url

SEARCH_FORM_ID = "job-search"
FILTERS_ID = "job-filters"


@require_safe
@member_only
def list_jobs(request: MemberRequest) -> HttpResponse:
    is_full_page = not request.htmx or request.htmx.history_restore_request
    saved_views = SavedViews(request.membership)
    views, shared_views = saved_views.list_with_shared() if is_full_page else ([], [])
    default_view = next((view for view in views if view.is_default), None)
    if default_view and not request.GET:
        return redirect(f"{reverse('jobs:list')}?{default_view.query or 'status=open'}")
    member_rights = get_rights(request.membership)
    state = empty_states.get_list_state(member_rights)
    if request.htmx and request.htmx.target == "first-sync" and state.shows_list:
        return HttpResponse(headers={"HX-Refresh": "true"})
    filters = parse_filters(request.GET)
    context: dict[str, Any] = {"rights": member_rights, "state": state, "to": filters}
    if not state.shows_list:
        context |= {
            "why_nothing": explain_no_access(member_rights),
        }
        return render_page_or_partial(request, "jobs/list.html", "waiting", context)
    context["is_greenhouse_down"] = is_greenhouse_down(member_rights.match.connection)
    context["old_access"] = refresh_old_access(member_rights) if is_full_page else None
    list_request = _build_list_request(request, member_rights, filters)
    if request.htmx and request.htmx.target == FILTERS_ID and not is_full_page:
        return render_page_or_partial(
            request,
            "jobs/list.html",
            FILTERS_ID,
            context | list_page.build_filter_context(list_request),
        )
    context |= list_page.build_page_context(list_request)
    if is_full_page:
        context |= list_page.build_sort_context(filters)
        context |= {"views": views, "shared_views": shared_views}
        if filters.filter_count or request.GET.get("filters"):
            context |= list_page.build_filter_context(list_request)
    response = render_page_or_partial(request, "jobs/list.html", "job-table", context)
    if request.htmx and request.htmx.trigger == SEARCH_FORM_ID:
        url = f"{reverse('jobs:list')}?{filters.query or 'status=open'}"
        update_browser_url(request, response, url, lambda query: parse_filters(query).query)
    return response


def _build_list_request(
    request: MemberRequest, member_rights: Rights, filters: JobFilters
) -> ListRequest:
    return ListRequest(request.membership, member_rights, filters, request.GET)


@require_safe
@member_only
def export_csv(request: MemberRequest) -> StreamingHttpResponse:
    member_rights = get_rights(request.membership)
    state = empty_states.get_list_state(member_rights)
    filters = parse_filters(request.GET)
    jobs = (
        ListRequest(request.membership, member_rights, filters)
        .get_jobs()
        .order_by(*filters.order.get_ordering())
    )
    record_member_action(
        request,
        "jobs.exported",
        "exported the requisition list",
        after=redact_search(filters.query),
    )
    rows = csv_export.list_rows(jobs, request.membership, member_rights, as_of=state.as_of)
    return build_csv_response("requisitions", csv_export.HEADINGS, rows)


# -- one requisition -----------------------------------------------------------------------------


@require_http_methods(["GET", "HEAD", "POST"])
@member_only
def refresh_job(request: MemberRequest, job_pk: int) -> HttpResponse:
    """POST queues a refresh; GET returns its progress."""
    member_rights = get_rights(request.membership)
    job = get_visible_job_or_404(job_pk, member_rights)
    if request.method == "POST":
        if not last_viewed.request_job_refresh(job, member_rights):
            messages.error(
                request, "Couldn't refresh. The connection to Greenhouse isn't working right now."
            )
        return redirect(get_job_url(job))
    if not request.htmx:
        return redirect(get_job_url(job))
    details = get_job_details(job, member_rights, get_freshness(job.connection, job=job))
    context = {"details": details, "rights": member_rights, "just_read": not details.is_refreshing}
    return render(request, "jobs/_freshness.html", context)


@require_safe
@member_only
@poll_view
def show_outage(request: MemberRequest) -> HttpResponse:
    """Pages poll this: 204 while what they show (`shown`) is still so."""
    rights = get_rights(request.membership)
    is_down = is_greenhouse_down(rights.match.connection)
    if not request.htmx:
        return redirect("jobs:list")
    if is_down == (request.GET.get("shown") == "yes"):
        return HttpResponse(status=204)
    return render(request, "jobs/_outage.html", {"is_greenhouse_down": is_down})


# -- pins ------------------------------------------------------------------------------


@require_POST
@member_only
def set_pin(request: MemberRequest, job_pk: int) -> HttpResponse:
    member_rights = get_rights(request.membership)
    job = get_visible_job_or_404(job_pk, member_rights)
    if request.POST.get("pinned") == "no":
        pins.unpin_job(request.membership, job)
    else:
        try:
            # Pins of open jobs are limited among open jobs only.
            counted_jobs = visible_jobs(
                request.membership, member_rights=member_rights, closed=not job.is_open
            )
            pins.pin_job(request.membership, job, counted_jobs)
        except pins.PinLimitReached as refusal:
            messages.error(request, str(refusal))
    if request.htmx:
        pinned_ids = pins.list_pinned_job_ids(request.membership)
        row = build_rows([job], request.membership, member_rights, pinned=pinned_ids)[0]
        return render(request, "jobs/pin_response.html", {"row": row})
    return redirect("jobs:list")


# -- access explanation --------------------------------------------------------------------------


@require_safe
@member_only
def explain_access(request: MemberRequest) -> HttpResponse:
    member = request.membership
    form = ExplainAccessForm(request.GET if "job" in request.GET else None, member=member)
    answers, about = None, member
    own_answer = None if form.is_bound else explain_no_own_access(member)
    if form.is_bound and form.is_valid():
        about = form.cleaned_data.get("about") or member
        query = form.cleaned_data["job"]
        answers = (
            explain_access_to_admin(member, about, query)
            if member.is_admin
            else explain_own_access(member, query)
        )
    context = {"form": form, "answers": answers, "about": about, "own_answer": own_answer}
    status = 422 if form.is_bound and not form.is_valid() else 200
    return render_page_or_partial(
        request, "jobs/explain_access.html", "answer", context, status=status
    )
