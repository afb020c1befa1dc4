"""One view per action button."""

from __future__ import annotations

from django.http import HttpResponse, QueryDict
from django.shortcuts import get_object_or_404
from django.views.decorators.http import require_http_methods, require_POST

from portal.accounts.access import MemberRequest, member_only
from portal.applications.actions.acting_user import describe_acting_user
from portal.applications.actions.latest_actions import get_pending_rejection
from portal.applications.forms.base import (
    INCOMPLETE_MESSAGE,
    ActionForm,
    ApplicationActionForm,
    unpack_click,
)
from portal.applications.forms.move import MoveForm, TransferForm
from portal.applications.forms.reject import RejectForm
from portal.applications.forms.update import UpdateForm
from portal.applications.models import ActionKind
from portal.applications.page.labels import get_candidate_label
from portal.applications.pending.plans import RejectionPlan, get_plan
from portal.applications.review import presets
from portal.applications.views.lookups import get_available_actions_or_404
from portal.applications.views.return_urls import (
    get_list_query,
    get_origin,
    get_origin_value,
    get_return_url,
)
from portal.applications.views.row_responses import respond_with_row
from portal.applications.views.submission import submit_action
from portal.core.database.prepared_statements import use_prepared_statements
from portal.sync.models import Application
from portal.web.htmx import render_page_or_partial
from portal.web.id_parsing import parse_id

PRESET_CHANGED_MESSAGE = (
    "This preset was changed since you opened the page. Nothing was done. Check it, then reject."
)


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
    available_actions = get_available_actions_or_404(request, pk)
    form = ActionForm(unpack_click(request.POST, available_actions.application))
    if not form.is_valid():
        return respond_with_row(request, available_actions, note=INCOMPLETE_MESSAGE, status=422)
    return submit_action(request, available_actions, form.build_request(kind))


def _act_with_form(
    request: MemberRequest, pk: int, kind: str, form_class: type[ApplicationActionForm]
) -> HttpResponse:
    available_actions = get_available_actions_or_404(request, pk)
    application, action_context = available_actions.application, available_actions.context
    data, is_outdated = _read_form_data(request, kind)
    form = form_class(data, application=application, action_context=action_context)
    if is_outdated:
        form.add_error(None, PRESET_CHANGED_MESSAGE)
    is_search = form.is_bound and form.is_search()
    if is_search:
        form.run_searches()
    elif form.is_bound and form.is_valid():
        return submit_action(request, available_actions, form.build_request(kind))
    rights = action_context.rights
    context = {
        "application": application,
        "who": get_candidate_label(application, rights),
        "form": form,
        "option": available_actions.get_option(kind),
        "undo_seconds": action_context.reject_undo_seconds if kind == ActionKind.REJECT else 0,
        "shown_as": describe_acting_user(action_context.acting_user, rights.match.user),
        "back_url": get_return_url(request, application, rights),
        "list_query": get_list_query(request),
        "origin": get_origin_value(request),
        "swaps_review": get_origin(request) == "review",
        "pending_plan": _get_pending_plan(application, kind),
    }
    status = 422 if form.is_bound and not is_search else 200
    response = render_page_or_partial(
        request, "applications/action_form.html", "action-dialog", context, status=status
    )
    response["HX-Retarget"], response["HX-Reswap"] = "#action-dialog-body", "innerHTML"
    return response


def _get_pending_plan(application: Application, kind: str) -> RejectionPlan | None:
    """Of a rejection that this decision would end."""
    if kind == ActionKind.UPDATE:
        return None
    pending = get_pending_rejection(application)
    return get_plan(pending) if pending is not None else None


def _read_form_data(request: MemberRequest, kind: str) -> tuple[QueryDict | None, bool]:
    """What was posted; a preset stands for the fields of the rejection form. And whether somebody
    changed the preset since the page showed it.
    """
    if request.method != "POST":
        return None, False
    if kind != ActionKind.REJECT or "preset" not in request.POST:
        return request.POST, False
    click = request.POST["preset"]
    member_presets = presets.filter_presets(request.membership)
    preset = get_object_or_404(member_presets, pk=parse_id(click.partition(".")[0]))
    data = request.POST.copy()
    data.update(presets.build_rejection_data(preset))
    return data, click != preset.click
