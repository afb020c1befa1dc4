"""Pending rejections: the list, and changing, confirming and canceling them."""

from __future__ import annotations

from urllib.parse import urlencode

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from portal.accounts.access import MemberRequest, member_only
from portal.applications.actions import outbox
from portal.applications.actions.acting_user import describe_acting_user
from portal.applications.actions.available_actions import (
    AvailableActions,
    build_available_actions,
)
from portal.applications.forms.pending import PendingRejectionForm
from portal.applications.models import ActionKind, ApplicationAction
from portal.applications.page.labels import get_candidate_label
from portal.applications.pending import changes, notices, pending_list, releasing
from portal.applications.pending.plans import MAX_LATENESS, PLAN_PARAMETER
from portal.applications.views.lookups import with_action_details
from portal.applications.views.return_urls import get_origin
from portal.applications.views.review_responses import respond_in_review
from portal.applications.views.row_responses import respond_with_row
from portal.entitlements.rules import Rights, explain_no_access, get_rights, visible_applications
from portal.jobs.answers.promise import get_promise
from portal.web.list_visits import ListVisit, PagedList
from portal.web.time_zones import format_time_zone

PER_PAGE = 50
NO_LONGER_PENDING = "It's no longer pending: it was sent, changed or canceled in the meantime."


@require_safe
@member_only
def list_pending(request: MemberRequest) -> HttpResponse:
    rights = get_rights(request.membership)
    shows_all = request.GET.get("of") == "all"
    own, everyone = (
        pending_list.filter_pending(rights, own=True),
        pending_list.filter_pending(rights),
    )
    shown = everyone if shows_all else own
    paged = PagedList(
        f"pending:{'all' if shows_all else 'own'}", ordered=shown, shown=shown, size=PER_PAGE
    )
    page = ListVisit(paged, request.GET, request.membership).load_page()
    rows = pending_list.build_pending_rows(page.object_list, rights)
    context = {
        "page": page,
        "rows": rows,
        "shows_all": shows_all,
        "own_count": own.count(),
        "all_count": everyone.count(),
        "hidden_count": pending_list.filter_hidden(rights).count(),
        "why_hidden": explain_no_access(rights),
        "to_confirm_count": own.filter(due_at=None).count(),
        "not_sent": [
            (action, get_candidate_label(action.application, rights))
            for action in pending_list.list_not_sent(rights)
        ],
        "confirm_days": releasing.CONFIRM_WITHIN.days,
        "hours": int(MAX_LATENESS.total_seconds() // 3600),
        "organization_zone": format_time_zone(
            get_promise(request.membership.organization_id).zone_name
        ),
        "list_query": urlencode(page.list_params),
        "origin": "pending",
    }
    return render(request, "applications/pending_rejections.html", context)


def _get_pending_or_404(
    request: MemberRequest, pk: int, *, own: bool = False
) -> tuple[ApplicationAction, AvailableActions, Rights]:
    """Also one that is no longer pending, whose outcome is then said."""
    rights = get_rights(request.membership)
    rejections = ApplicationAction.objects.filter(
        pk=pk,
        kind=ActionKind.REJECT,
        parameters__has_key=PLAN_PARAMETER,
        application__in=visible_applications(request.membership, member_rights=rights),
    )
    if own:
        rejections = rejections.filter(membership=request.membership)
    action = get_object_or_404(with_action_details(rejections))
    available_actions = build_available_actions(action.application, request.membership, rights)
    return action, available_actions, rights


@require_POST
@member_only
def cancel_pending(request: MemberRequest, pk: int) -> HttpResponse:
    """By its author, or by a colleague who may reject the application themselves."""
    action, available_actions, rights = _get_pending_or_404(request, pk)
    is_own = action.membership_id == request.membership.pk
    option = available_actions.get_option(ActionKind.REJECT)
    if not is_own and not option.allowed and not option.wrong_state:
        return _respond(request, action, available_actions, note=option.why_not, status=403)
    if not action.is_pending or not outbox.cancel_action(action, by=request.membership.user):
        return _respond(request, action, available_actions, note=NO_LONGER_PENDING, status=409)
    if not is_own:
        why = f"{request.membership.user} canceled the rejection of application "
        remote_id = action.application.remote_id
        notices.report_canceled(action.membership, 1, f"{why}{remote_id}.", key=str(action.pk))
    if get_origin(request) == "review":
        return respond_in_review(request, rights, undone=action)
    return _respond(request, action, available_actions, done=action.outcome)


def _respond(
    request: MemberRequest,
    action: ApplicationAction,
    available_actions: AvailableActions,
    *,
    note: str = "",
    done: str = "",
    status: int = 200,
) -> HttpResponse:
    """The row it came from; for the list, the list."""
    if get_origin(request) != "pending":
        return respond_with_row(request, available_actions, note=note, status=status)
    if note:
        messages.error(request, note)
    elif done:
        who = get_candidate_label(action.application, available_actions.context.rights)
        messages.success(request, f"{who}: {done}")
    return redirect(_get_list_url(request))


def _get_list_url(request: MemberRequest) -> str:
    shows_all = "of=all" in request.POST.get("list_query", "")
    return reverse("applications:pending_rejections") + ("?of=all" if shows_all else "")


@require_http_methods(["GET", "HEAD", "POST"])
@member_only
def change_pending(request: MemberRequest, pk: int) -> HttpResponse:
    action, available_actions, rights = _get_pending_or_404(request, pk, own=True)
    if not action.is_pending:
        messages.error(request, NO_LONGER_PENDING)
        return redirect("applications:pending_rejections")
    action_context = available_actions.context
    form = PendingRejectionForm(
        request.POST if request.method == "POST" else None,
        action=action,
        action_context=action_context,
    )
    option = available_actions.get_option(ActionKind.REJECT)
    if form.is_bound and option.allowed and form.is_valid():
        action_request = form.build_request(ActionKind.REJECT)
        plan = form.build_plan()
        if changes.change_rejection(action, action_request, plan, by=request.membership.user):
            messages.success(request, f"Saved. To be sent on {plan.local_text}.")
        else:
            messages.error(request, NO_LONGER_PENDING)
        return redirect("applications:pending_rejections")
    context = {
        "action": action,
        "application": action.application,
        "plan": form.plan,
        "who": get_candidate_label(action.application, rights),
        "form": form,
        "option": option,
        "problem": pending_list.explain_not_sent(action),
        "shown_as": describe_acting_user(action_context.acting_user, rights.match.user),
    }
    status = 422 if form.errors else 200
    return render(request, "applications/change_rejection.html", context, status=status)


@require_POST
@member_only
def confirm_pending(request: MemberRequest) -> HttpResponse:
    """Of the member's own that wait for it: the one named, or all."""
    rights = get_rights(request.membership)
    waiting = pending_list.filter_pending(rights, own=True).filter(due_at=None)
    if pk := request.POST.get("rejection"):
        waiting = waiting.filter(pk=pk if pk.isdecimal() and len(pk) < 19 else 0)
    confirmed_count = changes.confirm_rejections(waiting, request.membership)
    if confirmed_count:
        messages.success(
            request, f"{confirmed_count:,} confirmed. The list says when each is sent."
        )
    else:
        messages.error(request, NO_LONGER_PENDING)
    return redirect("applications:pending_rejections")


@require_POST
@member_only
def cancel_hidden(request: MemberRequest) -> HttpResponse:
    """The member's own on applications that they can't see, which the page doesn't name."""
    hidden = pending_list.filter_hidden(get_rights(request.membership))
    canceled_count = sum(
        outbox.cancel_action(action, by=request.membership.user)
        for action in hidden.select_related("application", "membership__organization")
    )
    if canceled_count:
        messages.success(request, f"{canceled_count:,} canceled. Nothing was sent.")
    else:
        messages.error(request, NO_LONGER_PENDING)
    return redirect("applications:pending_rejections")
