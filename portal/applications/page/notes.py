"""Notes that were added here: who may read which, and the form to add one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from integrations.ats.types import NoteVisibility
from portal.applications.actions.acting_user import describe_acting_user
from portal.applications.actions.available_actions import AvailableActions
from portal.applications.actions.handlers.note import VISIBILITY_LABELS, get_visibility
from portal.applications.forms.note import NoteForm
from portal.applications.models import ActionKind, ApplicationAction
from portal.entitlements.rules import Rights

Status = ApplicationAction.Status


def can_read_note(action: ApplicationAction, rights: Rights) -> bool:
    """As in Greenhouse, whose API doesn't tell who may see private notes: only their author does
    here. The hiring team, which stands in for Job Admins, reads public notes only.
    """
    if action.membership_id == rights.member.pk:
        return True
    if action.status != Status.DONE:
        return False
    visibility = get_visibility(action)
    if visibility == NoteVisibility.ADMIN_ONLY:
        user = rights.match.user
        return not rights.uses_hiring_team or (user is not None and user.site_admin)
    return visibility == NoteVisibility.PUBLIC


def get_note_text(action: ApplicationAction, rights: Rights) -> str:
    """The text of a note that the reader may read; empty for other actions."""
    if action.kind != ActionKind.NOTE or not can_read_note(action, rights):
        return ""
    return action.notes


def describe_visibility(action: ApplicationAction) -> str:
    """Who sees the note in Greenhouse, for use within a sentence; empty for other actions."""
    if action.kind != ActionKind.NOTE:
        return ""
    label = VISIBILITY_LABELS[get_visibility(action)]
    return label if label.startswith("Job") else f"{label[:1].lower()}{label[1:]}"


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
