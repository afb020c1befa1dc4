"""Template context of a review: one application, and the session's decisions."""

from __future__ import annotations

from typing import Any

from django.urls import reverse

from portal.applications.actions.available_actions import AvailableActions, build_available_actions
from portal.applications.actions.handlers import ACTION_HANDLERS
from portal.applications.actions.handlers.reject import NO_EMAIL_MESSAGE, can_email_candidate
from portal.applications.actions.latest_actions import get_latest_action
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
from portal.applications.review import presets, sessions
from portal.applications.review.highlighting import highlight_words
from portal.applications.review.sessions import ReviewPlace
from portal.applications.same_person import find_related_applications
from portal.entitlements.rules import Rights, visible_applications
from portal.sync.models import Application
from portal.web.state_tokens import build_state_token

Status = ApplicationAction.Status
PROBLEM_STATUSES = (Status.CONFLICT, Status.FAILED, Status.REFUSED)
MAX_NAMED_PROBLEMS = 2  # beside the heading; all are in the list of the session


def build_review_context(
    review_session: ReviewSession, rights: Rights, *, undone_pk: str = ""
) -> dict[str, Any]:
    """Moves the session on over applications that the person may no longer see."""
    place = sessions.load_place(review_session, rights)
    preferences = sessions.get_review_preferences(rights.member)
    context = {
        **build_decisions_context(review_session, rights, undone_pk=undone_pk),
        "place": place,
        "preferences": preferences,
        "back": sessions.build_return_url(review_session),
        "application": None,
    }
    if place.application_id is not None:
        context |= _build_application_context(review_session, place, preferences, rights)
    return context


def _build_application_context(
    review_session: ReviewSession,
    place: ReviewPlace,
    preferences: ReviewPreferences,
    rights: Rights,
) -> dict[str, object]:
    visible = visible_applications(rights.member, member_rights=rights)
    applications = visible.select_related(
        "candidate", "stage", "job", "connection", "source", "recruiter", "coordinator"
    ).in_bulk(_list_shown_ids(place))
    application = applications.get(place.application_id or 0)
    if application is None:  # it left between two queries
        return {}
    next_application = applications.get(place.next_application_id or 0)
    available_actions = build_available_actions(application, rights.member, rights)
    latest_action = get_latest_action(application, rights.member)
    terms = preferences.highlighted_words
    return {
        **build_card_context(available_actions, latest_action, review_session),
        "answers": [
            (
                answer.get("question") or "",
                highlight_words(str(answer.get("answer") or "No answer"), terms),
            )
            for answer in application.answers
        ],
        "headline": highlight_words(build_headline(application, rights), terms),
        "related": find_related_applications(application, rights),
        "details": build_stage_history_url(application),
        **_build_prefetch_urls(next_application),
    }


def _list_shown_ids(place: ReviewPlace) -> list[int]:
    return [pk for pk in (place.application_id, place.next_application_id) if pk is not None]


def _build_prefetch_urls(next_application: Application | None) -> dict[str, str]:
    if next_application is None:
        return {}
    return {
        "next_details": build_stage_history_url(next_application),
        "next_resume": reverse("applications:prefetch_resume", args=[next_application.pk]),
    }


def build_card_context(
    available_actions: AvailableActions,
    last: ApplicationAction | None,
    review_session: ReviewSession,
) -> dict[str, Any]:
    """What changes with an action: the buttons, and the application's facts."""
    reject_option = available_actions.get_option("reject")
    application = available_actions.application
    offers_presets = reject_option.allowed and application.is_active
    member = available_actions.context.member
    member_presets = presets.list_presets(member) if offers_presets else []
    return {
        **build_decision_context(available_actions, last),
        **build_session_context(review_session),
        "reject_option": reject_option,
        "presets": member_presets,
        "has_later_preset": any(preset.is_later for preset in member_presets),
        "why_no_email": NO_EMAIL_MESSAGE
        if any(preset.template for preset in member_presets)
        and not can_email_candidate(application)
        else "",
    }


def build_session_context(review_session: ReviewSession) -> dict[str, Any]:
    return {
        "review_session": review_session,
        "swaps_review": True,
        "origin": f"review-{review_session.pk}",
    }


def build_decisions_context(
    review_session: ReviewSession, rights: Rights, *, undone_pk: str = ""
) -> dict[str, Any]:
    decisions = sessions.list_shown_decisions(review_session, rights)
    entries = build_activity_entries(
        decisions.actions, rights.member, rights, review_session=review_session
    )
    lost = decisions.lost
    lost_decision = ACTION_HANDLERS[lost.kind].describe_status(lost) if lost else ""
    next_undo = _find_next_undo(entries)
    last_undone = next((e for e in entries if str(e.action.pk) == undone_pk), None)
    last_decision = last_undone or next(iter(entries), None)
    problems = [e for e in _find_problems(entries) if e is not last_decision]
    return {
        **build_session_context(review_session),
        "activity_entries": entries,
        "last_decision": last_decision,
        "lost_decision": lost_decision,
        "problems": problems[:MAX_NAMED_PROBLEMS],
        "other_problem_count": len(problems[MAX_NAMED_PROBLEMS:]),
        "last_undone": last_undone,
        "next_undo": next_undo,
        "waits": all(entry.is_waiting for entry in entries if entry.is_busy),
        "state_token": build_state_token(undone_pk, build_entries_token(entries), lost_decision),
        "polls": any(entry.is_busy for entry in entries) or bool(lost and lost.is_open),
    }


def _find_problems(entries: list[ActivityEntry]) -> list[ActivityEntry]:
    """Decisions that came to nothing, unless the person has read it or decided anew."""
    decided_ids: set[int] = set()
    problems = []
    for entry in entries:
        action = entry.action
        is_latest = action.application_id not in decided_ids
        decided_ids.add(action.application_id)
        if is_latest and action.status in PROBLEM_STATUSES and action.dismissed_at is None:
            problems.append(entry)
    return problems


def _find_next_undo(entries: list[ActivityEntry]) -> ActivityEntry | None:
    """The newest decision that can be undone; None while a newer one is still being sent."""
    for entry in entries:
        if entry.can_cancel or entry.can_undo:
            return entry
        if entry.action.is_open:
            return None
    return None
