"""Add a note to an application, in Greenhouse and under the person's own name."""

from __future__ import annotations

from datetime import timedelta

from integrations.ats.errors import InvalidValues, MissingPermission, NotSiteAdmin
from integrations.ats.types import Note, NoteVisibility, WriteResult
from integrations.greenhouse.provider import Provider
from portal.applications.actions.action_context import ActionContext
from portal.applications.actions.handlers.base import (
    NOTHING_CHANGED_MESSAGE,
    ActionHandler,
    Status,
)
from portal.applications.models import ActionKind, ApplicationAction
from portal.sync.models import Application

# How far Greenhouse's clock may be behind ours.
CLOCK_TOLERANCE = timedelta(minutes=5)
UNCHECKED_MESSAGE = (
    "Greenhouse didn't respond, so we can't tell whether the note was added. Look in Greenhouse "
    "before you add it again."
)
ERASED_MESSAGE = "The candidate's data was erased. Nothing was sent."
NO_CANDIDATE_MESSAGE = "Greenhouse keeps notes with the candidate, who isn't synced."
VISIBILITY_LABELS = {
    NoteVisibility.ADMIN_ONLY: "Job Admins and Site Admins",
    NoteVisibility.PUBLIC: "Everyone with access to the candidate",
    NoteVisibility.PRIVATE: "People who may see private notes",
}


class NoteHandler(ActionHandler):
    """`notes` is the text, `parameters` its `visibility` and later Greenhouse's `note_id`."""

    kind = ActionKind.NOTE
    label = "Add note"
    icon = "note"
    verb = "Add note"
    progressive = "Adding note"
    past_tense = "added"
    noun = "Note"
    feature = "notes"
    has_undo_period = True  # Greenhouse can neither change nor delete a note
    changes_application = False
    checked_by_greenhouse = True  # nothing of the application can be stale

    @property
    def log_verb(self) -> str:
        return "note_added"

    @property
    def log_phrase(self) -> str:
        return "added a note to application"

    def is_applicable(self, application: Application) -> bool:
        return True

    def why_not(self, application: Application, action_context: ActionContext) -> str:
        return "" if application.candidate_id else NO_CANDIDATE_MESSAGE

    def send(self, provider: Provider, action: ApplicationAction) -> WriteResult:
        candidate = action.application.candidate
        if not action.notes or candidate is None:
            raise InvalidValues({"body": "erased"}, ERASED_MESSAGE)
        note_id = provider.add_note(
            action.application.remote_id,
            candidate_id=candidate.remote_id,
            body=action.notes,
            visibility=get_visibility(action),
            acting_user_id=action.acting_user_id,
        )
        _remember_note_id(action, note_id)
        return WriteResult(application=None)

    def read_outcome(
        self, provider: Provider, action: ApplicationAction, current: Application
    ) -> tuple[str, str]:
        """Look for the note in Greenhouse; a version without a list of notes can't tell."""
        written_after = action.queued_at - CLOCK_TOLERANCE
        try:
            notes = provider.list_notes(current.remote_id, written_after=written_after)
        except (MissingPermission, NotSiteAdmin):
            notes = None
        if notes is None:
            return Status.FAILED, UNCHECKED_MESSAGE
        known_ids = _list_known_ids(action)
        note = next((n for n in notes if n.id not in known_ids and _is_same(n, action)), None)
        if note is None:
            return Status.FAILED, NOTHING_CHANGED_MESSAGE
        _remember_note_id(action, note.id)
        return Status.DONE, self.describe_success(action, current)

    def describe_success(self, action: ApplicationAction, current: Application) -> str:
        return "Note added."

    def describe_status(self, action: ApplicationAction) -> str:
        return "Not confirmed" if is_unconfirmed(action) else super().describe_status(action)


def get_visibility(action: ApplicationAction) -> NoteVisibility:
    return NoteVisibility(action.parameters["visibility"])


def is_unconfirmed(action: ApplicationAction) -> bool:
    """Whether Greenhouse may have added the note, and cannot be asked."""
    return action.status == Status.FAILED and action.outcome == UNCHECKED_MESSAGE


def _is_same(note: Note, action: ApplicationAction) -> bool:
    # The service account's ID isn't known here.
    is_author = action.as_service_account or note.user_id == action.acting_user_remote_id
    return is_author and note.body.split() == action.notes.split()


def _list_known_ids(action: ApplicationAction) -> set[int]:
    """Greenhouse's IDs of notes that other actions are known to have added."""
    others = ApplicationAction.objects.filter(
        application=action.application_id, kind=ActionKind.NOTE
    ).exclude(pk=action.pk)
    ids = others.order_by().values_list("parameters__note_id", flat=True)
    return {note_id for note_id in ids if note_id is not None}


def _remember_note_id(action: ApplicationAction, note_id: int | None) -> None:
    action.parameters = {**action.parameters, "note_id": note_id}
    ApplicationAction.objects.filter(pk=action.pk).update(parameters=action.parameters)
