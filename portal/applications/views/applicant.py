"""An application's own page, and the part of it that changes with an action."""

from __future__ import annotations

from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from portal.accounts.access import MemberRequest, member_only
from portal.applications.actions import outbox
from portal.applications.page.applicant import build_applicant_context, build_card_context
from portal.applications.page.rows import ApplicationRow
from portal.applications.views.lookups import get_available_actions_or_404
from portal.applications.views.note_context import build_note_context
from portal.applications.views.row_responses import render_unavailable
from portal.web.state_tokens import is_state_shown


@require_safe
@member_only
def show_applicant(request: MemberRequest, pk: int) -> HttpResponse:
    """Never waits for Greenhouse: what is read there is loaded into the page afterwards."""
    available_actions = get_available_actions_or_404(request, pk)
    latest_action = outbox.release_latest_action(available_actions.application, request.membership)
    context = build_note_context(available_actions) | build_applicant_context(
        available_actions, latest_action
    )
    return render(request, "applications/applicant.html", context)


@require_safe
@member_only
def applicant_card(request: MemberRequest, pk: int) -> HttpResponse:
    """The current decision card; one with an open action polls this."""
    try:
        available_actions = get_available_actions_or_404(request, pk)
    except Http404:
        return render_unavailable(request, pk, "unavailable-card")
    latest_action = outbox.release_latest_action(available_actions.application, request.membership)
    context = build_card_context(available_actions, latest_action) | {"out_of_band": True}
    row = context["row"]
    if isinstance(row, ApplicationRow) and row.is_busy and is_state_shown(request, row.state_token):
        return HttpResponse(status=204)
    return render(request, "applications/applicant.html#decision-card", context)
