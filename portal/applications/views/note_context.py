"""Template context of the form that adds a note."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from portal.applications.actions.acting_user import describe_acting_user
from portal.applications.actions.available_actions import AvailableActions
from portal.applications.forms.note import NoteForm
from portal.applications.models import ActionKind


def build_note_context(
    available_actions: AvailableActions, data: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """The form with its option, bound to `data` if there is any."""
    application, action_context = available_actions.application, available_actions.context
    rights = action_context.rights
    return {
        "application": application,
        "note_form": NoteForm(data, application=application, action_context=action_context),
        "note_option": available_actions.get_option(ActionKind.NOTE),
        "shown_as": describe_acting_user(action_context.acting_user, rights.match.user),
        "can_check_notes": rights.features.is_supported("note_check")
        and "note_check" not in rights.features.unavailable,
        "undo_seconds": action_context.reject_undo_seconds,
    }
