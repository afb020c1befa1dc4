"""Responds with an application's row, or sends the browser back to the page it came from."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from django.contrib import messages
from django.http import Http404, HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.urls import reverse

from portal.accounts.access import MemberRequest
from portal.applications.actions.available_actions import AvailableActions
from portal.applications.actions.handlers import ACTION_HANDLERS
from portal.applications.actions.latest_actions import get_latest_action, get_own_latest_action
from portal.applications.batches import preview
from portal.applications.models import ApplicationAction
from portal.applications.page import row_html
from portal.applications.page.filters import parse_filters, shows_status_column
from portal.applications.page.pipeline import build_pipeline, count_active
from portal.applications.page.rows import ApplicationRow, build_row
from portal.applications.views.return_urls import get_origin, get_return_url
from portal.applications.views.review_responses import respond_in_review

LOCATION_STATUSES = (ApplicationAction.Status.DONE, ApplicationAction.Status.CONFLICT)


def respond_with_row(
    request: MemberRequest,
    available_actions: AvailableActions,
    *,
    note: str = "",
    status: int = 200,
) -> HttpResponse:
    """The row for HTMX, else a redirect to the page the request came from."""
    application, rights = available_actions.application, available_actions.context.rights
    if get_origin(request) == "review":
        return respond_in_review(request, rights, note=note, status=status)
    if request.htmx:
        row = build_row(available_actions, get_latest_action(application, request.membership))
        return render_row(request, available_actions, row, note=note, status=status)
    if note:
        messages.error(request, note)
    return redirect(get_return_url(request, application, rights))


def render_row(
    request: MemberRequest,
    available_actions: AvailableActions,
    row: ApplicationRow,
    *,
    note: str = "",
    status: int = 200,
) -> HttpResponse:
    """The row; once its action is settled, also the stage counts above the list."""
    page_url = urlsplit(request.htmx.current_url or "")
    page_query = QueryDict(page_url.query)
    list_filters = parse_filters(page_query)
    action_context = available_actions.context
    job_url = reverse("applications:job_detail", args=[action_context.job_id])
    shows_pipeline = (
        not row.is_busy
        and page_url.path == job_url
        and "stages" not in action_context.rights.features.unavailable
    )
    html = row_html.render_row(
        row,
        selectable=list_filters.status in preview.KINDS_BY_STATUS,
        shows_status=shows_status_column(list_filters.status),
        note=note,
    )
    context: dict[str, Any] = {"row_html": html, "stage": list_filters.stage_param}
    if shows_pipeline:
        counts = count_active(action_context)
        context["updated_pipeline"] = build_pipeline(action_context, counts)
        context["waiting"] = counts.waiting
    return render(request, "applications/_row_response.html", context, status=status)


def render_unavailable(request: MemberRequest, pk: int, part: str) -> HttpResponse:
    """The outcome of the reader's own action on an application they can no longer see, unless it
    reveals the application's current stage.
    """
    action = get_own_latest_action(request.membership, pk)
    if action is None:
        raise Http404
    reveals_location = action.status in LOCATION_STATUSES and action.state_after is not None
    page_query = QueryDict(urlsplit(request.htmx.current_url or "").query)
    shows_status = shows_status_column(parse_filters(page_query).status)
    context = {
        "columns": 8 if shows_status else 7,  # after the checkbox
        "action": action,
        "status_text": ACTION_HANDLERS[action.kind].describe_status(action),
        "outcome": "" if reveals_location else action.outcome,
    }
    return render(request, f"applications/_unavailable.html#{part}", context)
