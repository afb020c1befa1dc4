"""Add a note to an application."""

from __future__ import annotations

from django import forms

from integrations.ats.types import NoteVisibility
from portal.applications.actions.handlers.note import VISIBILITY_LABELS
from portal.applications.forms.base import ApplicationActionForm


class NoteForm(ApplicationActionForm):
    notes = forms.CharField(
        max_length=2000,
        label="Note",
        widget=forms.Textarea(attrs={"rows": 3}),
        error_messages={"required": "Enter a note."},
    )
    visibility = forms.ChoiceField(
        choices=[(value.value, label) for value, label in VISIBILITY_LABELS.items()],
        initial=NoteVisibility.ADMIN_ONLY.value,
        label="Visible to",
        error_messages={"required": "Select who can see the note."},
    )

    def populate_choices(self) -> None:
        if not self.action_context.rights.features.is_supported("note_check"):
            self.fields[
                "visibility"
            ].help_text = (
                "Your Greenhouse credential adds notes to the candidate, not to one application."
            )

    def build_parameters(self) -> dict[str, str]:
        return {"visibility": self.cleaned_data["visibility"]}
