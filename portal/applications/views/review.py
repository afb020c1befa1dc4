"""Review: one application at a time."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from portal.accounts.access import MemberRequest, member_only
from portal.applications.actions import outbox
from portal.applications.actions.available_actions import AvailableActions, build_available_actions
from portal.applications.actions.latest_actions import get_latest_action
from portal.applications.forms.reject import RejectForm
from portal.applications.forms.review_preferences import ReviewPreferencesForm
from portal.applications.models import ApplicationAction, ReviewPreferences, ReviewSession
from portal.applications.page.activity_entries import (
    ActivityEntry,
    build_activity_entries,
    build_entries_token,
)
from portal.applications.page.applicant import (
    build_decision_context,
    build_headline,
    build_stage_history_url,
)
from portal.applications.page.application_list import build_application_list
from portal.applications.page.filters import drop_search
from portal.applications.page.rows import ApplicationRow
from portal.applications.review import sessions
from portal.applications.same_person import find_related_applications
from portal.applications.views.lookups import get_available_actions_or_404
from portal.applications.views.row_responses import render_unavailable
from portal.entitlements.rules import Rights, get_rights, visible_applications, visible_jobs
from portal.sync.models import Job
from portal.web.state_tokens import build_state_token, is_state_shown

MAX_LISTED_DECISIONS = 30


def _get_job_or_404(request: MemberRequest, pk: int) -> tuple[Job, Rights]:
    member_rights = get_rights(request.membership)
    return get_object_or_404(
        visible_jobs(request.membership, member_rights=member_rights), pk=pk
    ), member_rights


@require_POST
@member_only
def start_review(request: MemberRequest, job_pk: int) -> HttpResponse:
    job, member_rights = _get_job_or_404(request, job_pk)
    application_list = build_application_list(job, member_rights, request.POST)
    order = application_list.matching.values_list("pk", flat=True)
    sessions.start_review_session(
        request.membership,
        job,
        order[: sessions.MAX_APPLICATIONS],
        drop_search(application_list.filters).query,
    )
    return redirect("applications:review", job_pk=job.pk)


@require_safe
@member_only
def show_review(request: MemberRequest, job_pk: int) -> HttpResponse:
    job, member_rights = _get_job_or_404(request, job_pk)
    review_session = sessions.get_review_session(request.membership, job)
    if review_session is None:
        return redirect("applications:job_detail", job_pk=job.pk)
    _apply_position(request, review_session)
    preferences = sessions.get_review_preferences(request.membership)
    context = {
        **_build_decisions_context(request, review_session, member_rights),
        "job": job,
        "rights": member_rights,
        "review_session": review_session,
        "at_end": review_session.position >= len(review_session.application_ids),
        "preferences": preferences,
        "preferences_form": ReviewPreferencesForm(instance=preferences),
        "origin": "review",
        "back": sessions.build_return_url(review_session),
    }
    if not context["at_end"]:
        context |= _build_application_context(request, review_session, preferences, member_rights)
    return render(request, "applications/review.html", context)


def _apply_position(request: MemberRequest, review_session: ReviewSession) -> None:
    position = request.GET.get("position", "")
    if position.isdecimal() and len(position) < 6:
        sessions.move_to_position(review_session, int(position) - 1)


def _build_application_context(
    request: MemberRequest,
    review_session: ReviewSession,
    preferences: ReviewPreferences,
    member_rights: Rights,
) -> dict[str, object]:
    visible = visible_applications(request.membership, member_rights=member_rights)
    applications = visible.select_related(
        "candidate", "stage", "job", "connection", "source", "recruiter", "coordinator"
    )
    application = applications.filter(
        pk=review_session.application_ids[review_session.position]
    ).first()
    if application is None:
        return {"application": None}
    available_actions = build_available_actions(application, request.membership, member_rights)
    latest_action = get_latest_action(application, request.membership)
    highlighted_words = preferences.highlighted_words
    next_application = visible.filter(
        pk__in=review_session.application_ids[
            review_session.position + 1 : review_session.position + 2
        ]
    ).first()
    return {
        **_build_card_context(available_actions, latest_action),
        "answers": [
            (
                answer.get("question") or "",
                sessions.highlight_words(
                    str(answer.get("answer") or "No answer"), highlighted_words
                ),
            )
            for answer in application.answers
        ],
        "headline": sessions.highlight_words(
            build_headline(application, member_rights), highlighted_words
        ),
        "related": find_related_applications(application, member_rights),
        "details": build_stage_history_url(application),
        "next_details": build_stage_history_url(next_application) if next_application else "",
        "next_resume": reverse("applications:prefetch_resume", args=[next_application.pk])
        if next_application
        else "",
    }


def _build_card_context(
    available_actions: AvailableActions, last: ApplicationAction | None
) -> dict[str, Any]:
    return {
        **build_decision_context(available_actions, last),
        "reject_option": available_actions.get_option("reject"),
        "reject_form": RejectForm(
            application=available_actions.application, action_context=available_actions.context
        ),
        "origin": "review",
    }


@require_safe
@member_only
def review_card(request: MemberRequest, pk: int) -> HttpResponse:
    try:
        available_actions = get_available_actions_or_404(request, pk)
    except Http404:
        return render_unavailable(request, pk, "unavailable-card")
    latest_action = outbox.release_latest_action(available_actions.application, request.membership)
    context = _build_card_context(available_actions, latest_action)
    row: ApplicationRow = context["row"]
    if row.is_busy and is_state_shown(request, row.state_token):
        return HttpResponse(status=204)
    return render(request, "applications/review.html#review-card", context)


def _list_decisions(
    request: MemberRequest, review_session: ReviewSession, member_rights: Rights
) -> list[ActivityEntry]:
    """The newest decisions, and those that can be undone next if they are older."""
    visible = visible_applications(request.membership, member_rights=member_rights, closed=True)
    newest = sessions.list_decisions(review_session).filter(application__in=visible)
    standing = sessions.list_standing_decisions(review_session).filter(application__in=visible)
    listed_ids = {
        *newest.values_list("pk", flat=True)[:MAX_LISTED_DECISIONS],
        *standing.values_list("pk", flat=True)[:MAX_LISTED_DECISIONS],
    }
    actions = ApplicationAction.objects.filter(pk__in=listed_ids).select_related(
        "application__candidate", "application__job", "application__stage", "membership__user"
    )
    return build_activity_entries(
        actions, request.membership, member_rights, review_session=review_session
    )


def _build_decisions_context(
    request: MemberRequest, review_session: ReviewSession, member_rights: Rights
) -> dict[str, object]:
    entries = _list_decisions(request, review_session, member_rights)
    next_undo = _find_next_undo(entries)
    undone_pk = request.GET.get("undone", "")
    return {
        "activity_entries": entries,
        "undo_key_target": f"undo-activity-{next_undo.action.pk}" if next_undo else "",
        "waits": all(entry.is_waiting for entry in entries if entry.is_busy),
        "state_token": build_state_token(undone_pk, build_entries_token(entries)),
        "last_undone": next((e for e in entries if str(e.action.pk) == undone_pk), None),
        "polls": any(entry.is_busy for entry in entries),
    }


def _find_next_undo(entries: list[ActivityEntry]) -> ActivityEntry | None:
    """The newest decision that can be undone; None while a newer one is still being sent."""
    for entry in entries:
        if entry.can_cancel or entry.can_undo:
            return entry
        if entry.action.is_open:
            return None
    return None


@require_safe
@member_only
def review_decisions(request: MemberRequest, job_pk: int) -> HttpResponse:
    job, member_rights = _get_job_or_404(request, job_pk)
    review_session = sessions.get_review_session(request.membership, job)
    if review_session is None:
        raise Http404
    for action in sessions.list_decisions(review_session).filter(
        status=ApplicationAction.Status.SCHEDULED
    ):
        outbox.release_action(action)
    context = {
        **_build_decisions_context(request, review_session, member_rights),
        "job": job,
        "origin": "review",
    }
    if context["polls"] and is_state_shown(request, str(context["state_token"])):
        return HttpResponse(status=204)
    return render(request, "applications/review.html#decisions", context)


@require_POST
@member_only
def save_preferences(request: MemberRequest, job_pk: int) -> HttpResponse:
    job, _ = _get_job_or_404(request, job_pk)
    form = ReviewPreferencesForm(
        request.POST, instance=sessions.get_review_preferences(request.membership)
    )
    if form.is_valid():
        form.save()
        messages.success(request, "Saved.")
    else:
        messages.error(request, "Not saved. Words to highlight can have up to 300 characters.")
    return redirect("applications:review", job_pk=job.pk)
