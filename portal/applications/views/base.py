"""Shared by the views: loading applications and responding to the page a request came from."""

from __future__ import annotations

from urllib.parse import urlencode, urlsplit

from django.contrib import messages
from django.http import Http404, HttpResponse, QueryDict
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse

from portal.accounts.access import MemberRequest
from portal.applications.actions import action_requests, outbox
from portal.applications.actions.available_actions import build_action_context
from portal.applications.actions.handlers import ACTION_HANDLERS, ActionContext, ActionRequest
from portal.applications.batches import preview
from portal.applications.models import ApplicationAction
from portal.applications.page.filters import (
    encode_list_params,
    get_list_params,
    parse_status_and_stage,
)
from portal.applications.page.rows import (
    ApplicationRow,
    build_row,
    build_rows,
    get_latest_action,
    get_own_latest_action,
)
from portal.applications.review import sessions
from portal.core.prepared_statements import use_prepared_statements
from portal.entitlements.rules import Rights, get_rights, visible_application, visible_applications
from portal.sync.models import Application, Job

ACTION_IN_PROGRESS_MESSAGE = "The last action on this application has not been settled yet."
LOCATION_STATUSES = (ApplicationAction.Status.DONE, ApplicationAction.Status.CONFLICT)
INCOMPLETE_MESSAGE = "This page was incomplete. Please look again and click once more."


def get_application_or_404(request: MemberRequest, pk: int) -> tuple[Application, Rights]:
    member_rights = get_rights(request.membership)
    application = visible_application(request.membership, pk, member_rights=member_rights)
    if application is None:
        raise Http404
    return application, member_rights


def render_unavailable(request: MemberRequest, pk: int, part: str) -> HttpResponse:
    """The outcome of the reader's own action on an application they can no longer see, unless it
    reveals the application's current stage.
    """
    action = get_own_latest_action(request.membership, pk)
    if action is None:
        raise Http404
    reveals_location = action.status in LOCATION_STATUSES and action.state_after is not None
    context = {"action": action, "outcome": "" if reveals_location else action.outcome}
    return render(request, f"applications/_unavailable.html#{part}", context)


def get_current_application(
    request: MemberRequest, pk: int
) -> tuple[Application, Rights, ApplicationAction | None]:
    """The application and its latest action, which is released first if it is due."""
    application, member_rights = get_application_or_404(request, pk)
    last = get_latest_action(application)
    if last is not None:
        outbox.release_action(last)
    return application, member_rights, last


def get_own_action_or_404(request: MemberRequest, pk: int) -> ApplicationAction:
    own_actions = ApplicationAction.objects.filter(membership=request.membership)
    visible = visible_applications(request.membership)
    return get_object_or_404(
        own_actions.filter(application__in=visible).select_related(
            "application__candidate",
            "application__stage",
            "application__job",
            "application__connection",
            "membership__user",
            "reason",
        ),
        pk=pk,
    )


@use_prepared_statements()
def submit_action(
    request: MemberRequest,
    application: Application,
    member_rights: Rights,
    action_request: ActionRequest,
    *,
    action_context: ActionContext | None = None,
) -> HttpResponse:
    """Record the action and respond with its row, or redirect to the page it came from."""
    action_context = action_context or build_action_context(
        request.membership, application.job_id, member_rights
    )
    try:
        action = action_requests.request_action(
            request.membership, application, action_request, action_context=action_context
        )
    except action_requests.ActionUnavailable as error:
        return respond_with_row(
            request, application, member_rights, note=error.option.why_not, status=403
        )
    except action_requests.ActionInProgress:
        return respond_with_row(
            request, application, member_rights, note=ACTION_IN_PROGRESS_MESSAGE, status=409
        )
    if not request.htmx and action.is_open and _get_origin(request) != "review":
        label = ACTION_HANDLERS[action.kind].verb
        scheduled_message = f"{label} goes out in {action.seconds_left} seconds. Undo stops it."
        queued_message = f"{label} is on its way to Greenhouse."
        messages.success(request, scheduled_message if action.due_at else queued_message)
    if _get_origin(request) == "review":
        return redirect(
            get_return_url(request, application) + _build_next_position_query(request, application)
        )
    if request.htmx and action.is_open:  # then it is the latest: only one can be open
        return render_row(
            request, build_row(application, action, request.membership, action_context)
        )
    return respond_with_row(request, application, member_rights)


def _build_next_position_query(request: MemberRequest, application: Application) -> str:
    review_session = sessions.get_review_session(request.membership, get_job_or_404(application))
    if review_session is None or application.pk not in review_session.application_ids:
        return ""
    return f"?at={review_session.application_ids.index(application.pk) + 2}"


def respond_with_row(
    request: MemberRequest,
    application: Application,
    member_rights: Rights,
    *,
    note: str = "",
    status: int = 200,
) -> HttpResponse:
    """The row for HTMX, else a redirect to the page the request came from."""
    if request.htmx:
        row = build_rows([application], request.membership, application.job_id, member_rights)[0]
        return render_row(request, row, note=note, status=status)
    if note:
        messages.error(request, note)
    return redirect(get_return_url(request, application))


def get_return_url(request: MemberRequest, application: Application) -> str:
    """Built from the page kind and list query the browser sent; never a URL from the browser."""
    job = get_job_or_404(application)
    came_from = _get_origin(request)
    if came_from == "review":
        return reverse("applications:review", args=[job.pk])
    list_params = get_list_params(QueryDict(get_list_query(request)))
    if came_from == "activity":
        query = f"?{urlencode(list_params)}" if list_params else ""
        return f"{reverse('applications:my_activity')}{query}"
    if came_from == "history":
        return reverse("applications:history", args=[application.pk])
    query = urlencode({**list_params, "at": application.pk})
    job_url = reverse("applications:job_detail", args=[job.pk])
    return f"{job_url}?{query}#application-{application.pk}"


def get_list_query(request: MemberRequest) -> str:
    return request.POST.get("list") or request.GET.get("list") or ""


def _get_origin(request: MemberRequest) -> str:
    return request.POST.get("in") or request.GET.get("in") or ""


def render_row(
    request: MemberRequest, row: ApplicationRow, *, note: str = "", status: int = 200
) -> HttpResponse:
    page_query = _get_page_query(request)
    context = {
        "row": row,
        "note": note,
        "selectable": parse_status_and_stage(page_query)[0] in preview.KINDS_BY_STATUS,
        "list_query": encode_list_params(page_query),
    }
    return render(request, "applications/_row.html", context, status=status)


def _get_page_query(request: MemberRequest) -> QueryDict:
    return QueryDict(urlsplit(request.htmx.current_url or "").query)


def get_job_or_404(application: Application) -> Job:
    if application.job is None:  # only prospects have none, and they are not visible
        raise Http404
    return application.job
