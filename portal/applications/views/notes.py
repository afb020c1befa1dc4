"""Adds notes to an application, and shows its activity while one is on its way."""

from __future__ import annotations

from typing import Any

from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_safe

from portal.accounts.access import MemberRequest, member_only
from portal.applications.actions import action_requests
from portal.applications.actions.available_actions import AvailableActions
from portal.applications.models import ActionKind
from portal.applications.page.applicant import build_activity_context
from portal.applications.page.labels import get_candidate_label
from portal.applications.views.lookups import get_available_actions_or_404
from portal.applications.views.note_context import build_note_context
from portal.web.htmx import render_page_or_partial
from portal.web.state_tokens import is_state_shown

NOTE_IN_PROGRESS_MESSAGE = "Your last note is still being sent. Try again in a minute."


@require_http_methods(["GET", "HEAD", "POST"])
@member_only
def add_note(request: MemberRequest, pk: int) -> HttpResponse:
    """The form on its own, and what it sends."""
    available_actions = get_available_actions_or_404(request, pk)
    if request.method != "POST":
        return _render_form(request, available_actions, build_note_context(available_actions))
    context = build_note_context(available_actions, request.POST)
    form = context["note_form"]
    if not form.is_valid():
        return _render_form(request, available_actions, context, status=422)
    try:
        action_requests.request_action(available_actions, form.build_request(ActionKind.NOTE))
    except action_requests.ActionUnavailable:  # the form says why
        return _render_form(request, available_actions, context, status=403)
    except action_requests.ActionInProgress:
        form.add_error(None, NOTE_IN_PROGRESS_MESSAGE)
        return _render_form(request, available_actions, context, status=409)
    if not request.htmx:
        return redirect(f"{reverse('applications:applicant', args=[pk])}#activity")
    context = build_note_context(available_actions) | build_activity_context(available_actions)
    return render(request, "applications/note.html#note-added", context)


def _render_form(
    request: MemberRequest,
    available_actions: AvailableActions,
    context: dict[str, Any],
    *,
    status: int = 200,
) -> HttpResponse:
    application, rights = available_actions.application, available_actions.context.rights
    page_context = context | {"who": get_candidate_label(application, rights)}
    return render_page_or_partial(
        request, "applications/note.html", "note-form", page_context, status=status
    )


@require_safe
@member_only
def applicant_activity(request: MemberRequest, pk: int) -> HttpResponse:
    """The activity card; one with an open note polls this."""
    available_actions = get_available_actions_or_404(request, pk)
    context = build_activity_context(available_actions)
    if context["polls_notes"] and is_state_shown(request, context["activity_token"]):
        return HttpResponse(status=204)
    return render(request, "applications/_activity_card.html", context)
