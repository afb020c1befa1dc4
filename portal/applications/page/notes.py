"""Notes that were added here, and who may read which."""

from __future__ import annotations

from integrations.ats.types import NoteVisibility
from portal.applications.actions.handlers.note import VISIBILITY_LABELS, get_visibility
from portal.applications.models import ActionKind, ApplicationAction
from portal.core.database import read_only
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
    """The text of a note that the reader may read; empty for other actions, and for staff who
    view as a member.
    """
    if (
        read_only.is_read_only()
        or action.kind != ActionKind.NOTE
        or not can_read_note(action, rights)
    ):
        return ""
    return action.notes


def describe_visibility(action: ApplicationAction) -> str:
    """Who sees the note in Greenhouse, for use within a sentence; empty for other actions."""
    if action.kind != ActionKind.NOTE:
        return ""
    label = VISIBILITY_LABELS[get_visibility(action)]
    return label if label.startswith("Job") else f"{label[:1].lower()}{label[1:]}"
