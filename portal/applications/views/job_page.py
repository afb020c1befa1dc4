"""A job's page with its pipeline and applications."""

from __future__ import annotations

from django.db.models import QuerySet
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404
from django.utils.functional import SimpleLazyObject
from django.views.decorators.http import require_safe

from portal.accounts.access import MemberRequest, member_only
from portal.applications.actions import outbox
from portal.applications.actions.acting_user import describe_acting_user
from portal.applications.actions.action_context import ActionContext
from portal.applications.actions.available_actions import ActionOption
from portal.applications.actions.handlers import ACTION_HANDLERS
from portal.applications.batches import preview
from portal.applications.page.announced_matches import announce_matches
from portal.applications.page.filters import (
    NEEDS_DECISION,
    STATUS_LABELS,
    encode_list_params,
    filter_applications,
    find_linked_application,
    parse_status_and_stage,
    shows_status_column,
)
from portal.applications.page.pipeline import build_pipeline
from portal.applications.page.rows import build_row, build_rows
from portal.applications.review import sessions
from portal.applications.views.lookups import get_available_actions_or_404
from portal.applications.views.row_responses import render_row, render_unavailable
from portal.connections.outage import is_greenhouse_down
from portal.core.database.prepared_statements import use_prepared_statements
from portal.entitlements.rules import Rights, get_rights, visible_applications, visible_jobs
from portal.jobs.job_page.details import get_job_details
from portal.jobs.job_page.last_viewed import record_view
from portal.sync.models import Application, Job
from portal.web.htmx import render_page_or_partial
from portal.web.list_visits import ListVisit, PagedList, VisitPage
from portal.web.state_tokens import is_state_shown

PER_PAGE = 50


@require_safe
@member_only
def job_detail(request: MemberRequest, job_pk: int) -> HttpResponse:
    member_rights = get_rights(request.membership)
    visible = visible_jobs(request.membership, member_rights=member_rights).select_related(
        "department", "connection"
    )
    job = get_object_or_404(visible, pk=job_pk)
    applications = visible_applications(request.membership, member_rights=member_rights).filter(
        job=job
    )
    status, stage = parse_status_and_stage(request.GET)
    matching = filter_applications(applications, status, stage)
    page = _load_page(request, job, applications, matching)
    linked_application = find_linked_application(applications, request.GET, page.object_list)
    if linked_application is not None:
        status, stage = linked_application.status, ""
        page = VisitPage([linked_application], number=1, count=1, start_index=1)
    action_context = ActionContext(request.membership, job.pk, member_rights)
    acting_user = action_context.acting_user
    batch_options = _list_batch_options(member_rights, status)
    context = {
        "job": job,
        "rights": member_rights,
        "pipeline": build_pipeline(action_context),
        "statuses": _list_statuses(applications),
        "status": status,
        "stage": stage,
        "linked_application": linked_application,
        "list_query": encode_list_params({**request.GET.dict(), **page.list_params}),
        "return_query": encode_list_params({**request.GET.dict(), **page.return_params}),
        "page": page,
        "rows": build_rows(page.object_list, action_context),
        "review_session": sessions.get_unfinished_session(request.membership, job),
        "why_cannot_act": acting_user.why_not,
        "shown_as": describe_acting_user(acting_user, member_rights.match.user),
        "reject_undo_seconds": action_context.reject_undo_seconds,
        "compact_rows": action_context.preferences.compact_rows,
        "shows_status": shows_status_column(status),
        "batch_options": batch_options,
        "announced": announce_matches(job, matching)
        if batch_options and page.has_other_pages
        else None,
        "max_batch_size": preview.MAX_BATCH_SIZE,
        "is_greenhouse_down": SimpleLazyObject(lambda: is_greenhouse_down(job.connection)),
        # Only the full page shows them, not the HTMX partial.
        "details": SimpleLazyObject(lambda: get_job_details(job, member_rights)),
    }
    # Views during impersonation are not recorded.
    if not request.htmx and request.user.pk == request.membership.user_id:
        record_view(request.membership, job, member_rights)
    return render_page_or_partial(request, "applications/job_detail.html", "applications", context)


def _list_statuses(applications: QuerySet[Application]) -> dict[str, str]:
    """Whether a decision is needed is known with Harvest v3 only."""
    labels = dict(STATUS_LABELS)
    if not applications.filter(needs_decision__isnull=False).exists():
        del labels[NEEDS_DECISION]
    return labels


def _load_page(
    request: MemberRequest,
    job: Job,
    applications: QuerySet[Application],
    matching: QuerySet[Application],
) -> VisitPage:
    status, stage = parse_status_and_stage(request.GET)
    application_list = PagedList(
        f"applications:{job.pk}:{status}:{stage}",
        ordered=matching,
        shown=filter_applications(applications, "", ""),
        size=PER_PAGE,
    )
    return ListVisit(application_list, request.GET, request.membership).load_page()


def _list_batch_options(member_rights: Rights, status: str) -> list[ActionOption]:
    kinds = preview.KINDS_BY_STATUS.get(status, ())
    return [
        ActionOption(
            ACTION_HANDLERS[kind], member_rights.why_unavailable(ACTION_HANDLERS[kind].feature)
        )
        for kind in kinds
    ]


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
