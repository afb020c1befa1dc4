"""Template context of an application's own page."""

from __future__ import annotations

from typing import Any

from django.urls import reverse

from portal.applications import custom_field_values
from portal.applications.actions import outbox
from portal.applications.actions.acting_user import describe_acting_user
from portal.applications.actions.available_actions import AvailableActions
from portal.applications.custom_field_values import CustomFieldValue
from portal.applications.models import ActionKind, ApplicationAction
from portal.applications.page.activity_entries import (
    ActivityEntry,
    build_activity_entries,
    build_entries_token,
)
from portal.applications.page.labels import may_show_names
from portal.applications.page.rows import build_row
from portal.applications.same_person import find_related_applications
from portal.connections.outage import is_greenhouse_down
from portal.entitlements.rules import Rights
from portal.sync.models import Application

MAX_LISTED_ACTIONS = 50


def build_applicant_context(
    available_actions: AvailableActions, last: ApplicationAction | None
) -> dict[str, Any]:
    """Everything that is stored; the rest is read from Greenhouse once the page is there."""
    application, rights = available_actions.application, available_actions.context.rights
    return {
        **build_card_context(available_actions, last),
        "headline": build_headline(application, rights),
        "answers": application.answers,
        "related": find_related_applications(application, rights),
        "is_greenhouse_down": is_greenhouse_down(application.connection),
        "stage_history_url": build_stage_history_url(application),
    }


def build_card_context(
    available_actions: AvailableActions, last: ApplicationAction | None
) -> dict[str, Any]:
    """What changes with an action: the decision, the application's facts and its activity."""
    return {
        **build_decision_context(available_actions, last),
        **build_activity_context(available_actions),
    }


def build_activity_context(available_actions: AvailableActions) -> dict[str, Any]:
    """The application's activity, and whether the reader's own notes in it are still open."""
    entries = _list_activity(available_actions)
    open_notes = [entry for entry in entries if entry.is_own and entry.is_note and entry.is_busy]
    return {
        "application": available_actions.application,
        "activity_entries": entries,
        "polls_notes": bool(open_notes),
        "waits_for_notes": all(entry.is_waiting for entry in open_notes),
        "activity_token": build_entries_token(entries),
        "origin": "applicant",
    }


def build_decision_context(
    available_actions: AvailableActions, last: ApplicationAction | None
) -> dict[str, Any]:
    """The decision and the application's facts, here and in a review."""
    application, action_context = available_actions.application, available_actions.context
    rights = action_context.rights
    return {
        "application": application,
        "row": build_row(available_actions, last),
        "shown_as": describe_acting_user(action_context.acting_user, rights.match.user),
        "reject_undo_seconds": action_context.reject_undo_seconds,
        "custom_fields": list_custom_fields(application, rights),
    }


def build_headline(application: Application, rights: Rights) -> str:
    person = application.candidate if may_show_names(rights) else None
    return ", ".join(part for part in (person.title, person.company) if part) if person else ""


def list_custom_fields(application: Application, rights: Rights) -> list[CustomFieldValue]:
    if "custom_fields" in rights.features.unavailable:
        return []
    field_values = custom_field_values.list_field_values(
        application.connection_id, application.custom
    )
    return [field_value for field_value in field_values if field_value.text]


def build_stage_history_url(application: Application) -> str:
    """Includes the change time, since browsers cache the response by URL."""
    url = reverse("applications:stage_history", args=[application.pk])
    return f"{url}?as_of={application.changed_at.timestamp():.6f}"


def _list_activity(available_actions: AvailableActions) -> list[ActivityEntry]:
    context = available_actions.context
    actions = available_actions.application.actions.select_related(
        "application__candidate", "application__job", "application__stage", "membership__user"
    )
    listed_actions = list(actions[:MAX_LISTED_ACTIONS])
    for action in listed_actions:
        if action.kind == ActionKind.NOTE and action.membership_id == context.member.pk:
            outbox.release_action(action)
    return build_activity_entries(listed_actions, context.member, context.rights)
