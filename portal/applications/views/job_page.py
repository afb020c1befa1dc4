"""A requisition's page with its pipeline and applications, and what its toolbar leads to."""

from __future__ import annotations

from django.contrib import messages
from django.http import Http404, HttpResponse, StreamingHttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST, require_safe

from portal.accounts.access import MemberRequest, member_only
from portal.applications.actions import outbox
from portal.applications.actions.action_context import ActionContext
from portal.applications.page import csv_export
from portal.applications.page.application_list import ApplicationList, build_application_list
from portal.applications.page.filter_options import build_filter_selects
from portal.applications.page.filters import parse_filters
from portal.applications.page.rows import build_row
from portal.applications.page.toolbar import build_filter_context, normalize_view_query
from portal.applications.views.job_page_context import build_full_page_context, build_list_context
from portal.applications.views.lookups import get_available_actions_or_404
from portal.applications.views.row_responses import render_row, render_unavailable
from portal.audit.member_actions import record_member_action
from portal.audit.presentation import JOB_KEY, redact_search
from portal.core.database.prepared_statements import use_prepared_statements
from portal.entitlements.rules import get_rights
from portal.jobs.forms import SaveViewForm
from portal.jobs.job_page.details import get_job_about, get_job_url
from portal.jobs.job_page.last_viewed import record_view
from portal.jobs.job_page.lookup import get_visible_job_or_404
from portal.jobs.saved_views import SavedViews
from portal.sync.freshness import get_freshness
from portal.web.csv_rows import build_csv_response
from portal.web.htmx import render_page_or_partial, wants_partial
from portal.web.list_urls import update_browser_url
from portal.web.state_tokens import is_state_shown

TEMPLATE = "applications/job_detail.html"
SEARCH_FORM_ID = "applications-search"
FILTERS_ID = "applications-filters"
ABOUT_ID = "job-about"


@require_safe
@member_only
def job_detail(request: MemberRequest, job_pk: int) -> HttpResponse:
    """A closed job's applications can only be read."""
    application_list = _get_list_or_404(request, job_pk)
    job, rights = application_list.job, application_list.rights
    is_full_page = not wants_partial(request)
    saved_views = SavedViews(request.membership, job)
    views, shared_views = saved_views.list_with_shared() if is_full_page else ([], [])
    default_view = next((view for view in views if view.is_default), None)
    if default_view and not request.GET:
        return redirect(f"{get_job_url(job)}?{default_view.query}")
    if not is_full_page and request.htmx.target == ABOUT_ID:
        context = {"about": get_job_about(job, rights), "rights": rights}
        return render(request, "jobs/_about.html", context)
    action_context = ActionContext(request.membership, job.pk, rights, is_job_open=job.is_open)
    if not is_full_page and request.htmx.target == FILTERS_ID:
        selects = build_filter_selects(application_list, action_context)
        context = build_filter_context(application_list) | {"filter_selects": selects}
        return render(request, "applications/_filters.html", context)
    context = build_list_context(request, application_list, action_context)
    if is_full_page:
        job_freshness = get_freshness(job.connection, job=job)
        # Views during impersonation are not recorded.
        if not request.htmx and job.is_open and request.user.pk == request.membership.user_id:
            record_view(request.membership, job, rights, job_freshness)
        full_page = build_full_page_context(
            request, application_list, action_context, job_freshness
        )
        context |= full_page | {"views": views, "is_full_page": True}
        context["shared_views"] = shared_views
    response = render_page_or_partial(request, TEMPLATE, "applications", context)
    if request.htmx and request.htmx.trigger == SEARCH_FORM_ID:
        url = f"{get_job_url(job)}?{application_list.filters.query}"
        default_status = application_list.default_status
        update_browser_url(
            request, response, url, lambda query: parse_filters(query, default_status).query
        )
    return response


@require_safe
@member_only
def export_csv(request: MemberRequest, job_pk: int) -> StreamingHttpResponse:
    application_list = _get_list_or_404(request, job_pk)
    job = application_list.job
    record_member_action(
        request,
        "applications.exported",
        "exported a requisition's applications",
        after={JOB_KEY: job.remote_id} | redact_search(application_list.filters.query),
    )
    rows = csv_export.list_rows(application_list)
    return build_csv_response(f"applications-{job.remote_id}", csv_export.HEADINGS, rows)


@require_POST
@member_only
def save_view(request: MemberRequest, job_pk: int) -> HttpResponse:
    application_list = _get_list_or_404(request, job_pk)
    job = application_list.job
    form = SaveViewForm(
        request.POST,
        SavedViews(request.membership, job),
        lambda query: normalize_view_query(query, application_list),
    )
    list_url = get_job_url(job)
    if not form.is_valid():
        context = {"form": form, "job": job, "list_url": list_url, "save_url": request.path}
        return render(request, "jobs/save_view.html", context, status=422)
    view = form.save()
    notice = " Search terms aren't saved." if form.view_query.drops_search else ""
    messages.success(request, f"Saved as “{view.name}”.{notice}")
    return redirect(f"{list_url}?{view.query}")


def _get_list_or_404(request: MemberRequest, job_pk: int) -> ApplicationList:
    rights = get_rights(request.membership)
    job = get_visible_job_or_404(job_pk, rights)
    return build_application_list(job, rights, request.GET)


@require_safe
@member_only
@use_prepared_statements()
def application_row(request: MemberRequest, pk: int) -> HttpResponse:
    """The current row; a row with an open action polls this."""
    try:
        available_actions = get_available_actions_or_404(request, pk)
    except Http404:
        return render_unavailable(request, pk, "unavailable-row")
    latest_action = outbox.release_latest_action(available_actions.application, request.membership)
    row = build_row(available_actions, latest_action)
    if row.is_busy and is_state_shown(request, row.state_token):
        return HttpResponse(status=204)
    return render_row(request, available_actions, row)
