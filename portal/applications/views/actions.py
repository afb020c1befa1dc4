"""One view per action button."""

from __future__ import annotations

from django.http import HttpResponse
from django.views.decorators.http import require_http_methods, require_POST

from portal.accounts.access import MemberRequest, member_only
from portal.applications.actions.acting_user import describe_acting_user
from portal.applications.actions.available_actions import build_action_context, get_action_option
from portal.applications.forms.base import ActionForm, ApplicationActionForm
from portal.applications.forms.move import MoveForm, TransferForm
from portal.applications.forms.reject import RejectForm
from portal.applications.forms.update import UpdateForm
from portal.applications.models import ActionKind
from portal.applications.page.labels import get_candidate_label
from portal.applications.views.base import (
    INCOMPLETE_MESSAGE,
    get_application_or_404,
    get_list_query,
    get_return_url,
    respond_with_row,
    submit_action,
)
from portal.core.prepared_statements import use_prepared_statements
from portal.web.htmx import render_page_or_partial


@require_POST
@member_only
def advance_application(request: MemberRequest, pk: int) -> HttpResponse:
    return _act_immediately(request, pk, ActionKind.ADVANCE)


@require_POST
@member_only
def unreject_application(request: MemberRequest, pk: int) -> HttpResponse:
    return _act_immediately(request, pk, ActionKind.UNREJECT)


@require_http_methods(["GET", "HEAD", "POST"])
@member_only
def reject_application(request: MemberRequest, pk: int) -> HttpResponse:
    return _act_with_form(request, pk, ActionKind.REJECT, RejectForm)


@require_http_methods(["GET", "HEAD", "POST"])
@member_only
def move_application(request: MemberRequest, pk: int) -> HttpResponse:
    return _act_with_form(request, pk, ActionKind.MOVE, MoveForm)


@require_http_methods(["GET", "HEAD", "POST"])
@member_only
def transfer_application(request: MemberRequest, pk: int) -> HttpResponse:
    return _act_with_form(request, pk, ActionKind.TRANSFER, TransferForm)


@require_http_methods(["GET", "HEAD", "POST"])
@member_only
def update_application(request: MemberRequest, pk: int) -> HttpResponse:
    return _act_with_form(request, pk, ActionKind.UPDATE, UpdateForm)


@use_prepared_statements()
def _act_immediately(request: MemberRequest, pk: int, kind: str) -> HttpResponse:
    application, rights = get_application_or_404(request, pk)
    form = ActionForm(request.POST)
    if not form.is_valid():
        return respond_with_row(request, application, rights, note=INCOMPLETE_MESSAGE, status=422)
    return submit_action(request, application, rights, form.build_request(kind))


def _act_with_form(
    request: MemberRequest, pk: int, kind: str, form_class: type[ApplicationActionForm]
) -> HttpResponse:
    application, rights = get_application_or_404(request, pk)
    action_context = build_action_context(request.membership, application.job_id, rights)
    data = request.POST if request.method == "POST" else None
    form = form_class(
        data, application=application, action_context=action_context, membership=request.membership
    )
    if form.is_bound and form.is_valid():
        return submit_action(
            request, application, rights, form.build_request(kind), action_context=action_context
        )
    context = {
        "application": application,
        "who": get_candidate_label(application, rights),
        "form": form,
        "option": get_action_option(application, action_context, kind),
        "shown_as": describe_acting_user(action_context.acting_user, rights.match.user),
        "back_url": get_return_url(request, application),
        "list_query": get_list_query(request),
        "came_from": request.POST.get("in") or request.GET.get("in") or "",
    }
    status = 422 if form.is_bound else 200
    return render_page_or_partial(
        request, "applications/action_form.html", "action-row", context, status=status
    )
