"""What a click carries: its key, and what the person had on screen."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any

from django import forms

from integrations.ats.types import SeenStage
from portal.applications.models import ApplicationAction
from portal.applications.perform import Click
from portal.mirror.models import Application, RejectionReason


class ClickForm(forms.Form):
    """Advance. The hidden fields guard against a second send and against a stale screen."""

    key = forms.UUIDField(widget=forms.HiddenInput)
    stage = forms.IntegerField(widget=forms.HiddenInput, required=False)
    entry = forms.IntegerField(widget=forms.HiddenInput, required=False)
    stage_name = forms.CharField(widget=forms.HiddenInput, required=False, max_length=200)

    kind = ApplicationAction.Kind.ADVANCE

    @classmethod
    def seen(cls, application: Application) -> dict[str, Any]:
        """What the form must hold for this application as it is shown now."""
        return {
            "key": uuid.uuid4(),
            "stage": application.stage_remote_id,
            "entry": application.stage_entry_id,
            "stage_name": application.stage_name,
        }

    def click(self) -> Click:
        """The click, once the form is valid."""
        data = self.cleaned_data
        return Click(
            key=data["key"],
            kind=self.kind,
            seen=SeenStage(stage_id=data["stage"], entry_id=data["entry"]),
            seen_stage_name=data["stage_name"],
            reason=data.get("reason"),
            notes=data.get("notes", ""),
        )


class RejectForm(ClickForm):
    """Reject, with a reason from Greenhouse's own list."""

    reason = forms.ModelChoiceField(
        queryset=RejectionReason.objects.none(),
        empty_label="Choose a reason",
        error_messages={
            "required": "Choose a reason, please. Greenhouse asks for one.",
            "invalid_choice": "That reason is no longer in Greenhouse. Choose another one, please.",
        },
    )
    notes = forms.CharField(
        required=False,
        max_length=2000,
        label="Note",
        help_text="Goes to Greenhouse with the rejection. The candidate does not get it.",
        widget=forms.Textarea(attrs={"rows": 2}),
    )

    kind = ApplicationAction.Kind.REJECT

    def __init__(
        self,
        data: Mapping[str, Any] | None = None,
        *,
        application: Application,
        initial: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(data, initial=initial, auto_id=f"%s-{application.pk}")
        reasons = RejectionReason.objects.filter(
            connection_id=application.connection_id, gone_at=None
        )
        self.fields["reason"].queryset = reasons.order_by("type_name", "name")  # type: ignore[attr-defined]
