from __future__ import annotations

from dataclasses import replace
from typing import Any

from django.contrib import messages
from django.db.models import Count
from django.http import HttpResponse, QueryDict, StreamingHttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
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
    visible_applications,
    visible_jobs,
)
from portal.jobs import pins_and_saved_views
from portal.jobs.forms import ExplainAccessForm, SaveViewForm
from portal.jobs.job_list import csv_export, empty_states, list_page
from portal.jobs.job_list.filters import JobFilters, parse_filters
from portal.jobs.job_list.list_page import ListRequest
from portal.jobs.job_list.rows import build_rows
from portal.jobs.job_page import last_viewed
from portal.jobs.job_page.details import get_job_details, get_job_url
from portal.jobs.models import SavedView
from portal.sync.models import Job
from portal.web.htmx import render_page_or_partial

SEARCH_FORM_ID = "job-search"
FILTERS_ID = "job-filters"
SEARCH_NOT_SAVED_MESSAGE = (
    "The search terms weren't saved: they match no title or ID, so they may be a candidate's name."
)


@require_safe
@member_only
def list_jobs(request: MemberRequest) -> HttpResponse:
    is_full_page = not request.htmx or request.htmx.history_restore_request
    views = pins_and_saved_views.list_saved_views(request.membership) if is_full_page else []
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
        context |= list_page.build_sort_context(filters) | {"views": views}
        if filters.filter_count or request.GET.get("filters"):
            context |= list_page.build_filter_context(list_request)
    response = render_page_or_partial(request, "jobs/list.html", "job-table", context)
    if request.htmx and request.htmx.trigger == SEARCH_FORM_ID:
        _update_browser_url(request, response, filters)
    return response


def _build_list_request(
    request: MemberRequest, member_rights: Rights, filters: JobFilters
) -> ListRequest:
    return ListRequest(request.membership, member_rights, filters, request.GET)


def _update_browser_url(
    request: MemberRequest, response: HttpResponse, filters: JobFilters
) -> None:
    # While typing, replace the URL, so that Back returns to the list before the search.
    _, _, query = (request.htmx.current_url or "").partition("?")
    previous_filters = parse_filters(QueryDict(query.partition("#")[0]))
    is_typing = (
        bool(filters.search and previous_filters.search)
        and replace(previous_filters, search=filters.search) == filters
    )
    header = "HX-Replace-Url" if is_typing else "HX-Push-Url"
    response[header] = f"{reverse('jobs:list')}?{filters.query or 'status=open'}"


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
    return StreamingHttpResponse(
        csv_export.stream_csv(jobs, request.membership, member_rights, as_of=state.as_of),
        content_type="text/csv; charset=utf-8",
        headers={
            "Content-Disposition": "attachment; "
            f'filename="requisitions-{timezone.now():%Y-%m-%d-%H%M}.csv"',
            "Cache-Control": "no-store",
        },
    )


# -- one requisition -----------------------------------------------------------------------------


def _get_visible_job(request: MemberRequest, job_pk: int, member_rights: Rights) -> Job:
    visible = visible_jobs(request.membership, member_rights=member_rights, closed=True)
    return get_object_or_404(visible.select_related("department", "connection"), pk=job_pk)


@require_safe
@member_only
def closed_job(request: MemberRequest, job_pk: int) -> HttpResponse:
    """A closed requisition; open ones have a page with applications."""
    member_rights = get_rights(request.membership)
    job = _get_visible_job(request, job_pk, member_rights)
    if job.is_open:
        return redirect(get_job_url(job))
    applications = visible_applications(
        request.membership, member_rights=member_rights, closed=True
    )
    counts = applications.filter(job=job).order_by("status").values_list("status")
    context = {
        "details": get_job_details(job, member_rights),
        "rights": member_rights,
        "counts": counts.annotate(Count("pk")),
    }
    return render(request, "jobs/closed_job.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@member_only
def refresh_job(request: MemberRequest, job_pk: int) -> HttpResponse:
    """POST queues a refresh; GET returns its progress."""
    member_rights = get_rights(request.membership)
    job = _get_visible_job(request, job_pk, member_rights)
    if request.method == "POST":
        if not last_viewed.request_job_refresh(job, member_rights):
            messages.error(
                request, "Couldn't refresh. The connection to Greenhouse isn't working right now."
            )
        return redirect(get_job_url(job))
    if not request.htmx:
        return redirect(get_job_url(job))
    details = get_job_details(job, member_rights)
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


# -- pins and views ------------------------------------------------------------------------------


@require_POST
@member_only
def set_pin(request: MemberRequest, job_pk: int) -> HttpResponse:
    member_rights = get_rights(request.membership)
    job = _get_visible_job(request, job_pk, member_rights)
    if request.POST.get("pinned") == "no":
        pins_and_saved_views.unpin_job(request.membership, job)
    else:
        try:
            # Pins of open jobs are limited among open jobs only.
            counted_jobs = visible_jobs(
                request.membership, member_rights=member_rights, closed=not job.is_open
            )
            pins_and_saved_views.pin_job(request.membership, job, counted_jobs)
        except pins_and_saved_views.LimitReached as refusal:
            messages.error(request, str(refusal))
    if request.htmx:
        pins = pins_and_saved_views.list_pinned_job_ids(request.membership)
        context = {
            "row": build_rows([job], request.membership, member_rights, pinned=pins)[0],
            "prefix": "top-" if (request.htmx.trigger or "").startswith("top-") else "",
        }
        return render(request, "jobs/pin_response.html", context)
    return redirect("jobs:list")


@require_POST
@member_only
def save_view(request: MemberRequest) -> HttpResponse:
    form = SaveViewForm(request.POST)
    if not form.is_valid():
        return render(request, "jobs/save_view.html", {"form": form}, status=422)
    name, filters = form.cleaned_data["name"], form.cleaned_data["query"]
    saved_filters = pins_and_saved_views.strip_candidate_search(
        filters, visible_jobs(request.membership, closed=True)
    )
    try:
        pins_and_saved_views.save_view(
            request.membership, name, saved_filters.query, default=form.cleaned_data["default"]
        )
    except pins_and_saved_views.LimitReached as refusal:
        form.add_error(None, str(refusal))
        return render(request, "jobs/save_view.html", {"form": form}, status=422)
    notice = "" if saved_filters == filters else f" {SEARCH_NOT_SAVED_MESSAGE}"
    messages.success(request, f"Saved as “{name}”.{notice}")
    return redirect(f"{reverse('jobs:list')}?{saved_filters.query or 'status=open'}")


@require_POST
@member_only
def update_saved_view(request: MemberRequest, pk: int) -> HttpResponse:
    view = get_object_or_404(SavedView, pk=pk, membership=request.membership)
    action = request.POST.get("action")
    if action == "delete":
        view.delete()
        messages.success(request, f"“{view.name}” deleted.")
    elif action in {"set_default", "clear_default"}:
        pins_and_saved_views.set_default_view(
            view if action == "set_default" else None, owner=request.membership
        )
        status = "now" if action == "set_default" else "no longer"
        messages.success(request, f"“{view.name}” is {status} your default view.")
    return redirect(f"{reverse('jobs:list')}?status=open")


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
