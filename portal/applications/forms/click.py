"""What every click carries: its key, and what the person had on screen."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any

from django import forms

from integrations.ats.types import SeenStage
from portal.applications.verbs import Click, Ground
from portal.mirror.models import Application


class ClickForm(forms.Form):
    """Advance or unreject. The hidden fields guard against a second send and a stale screen."""

    key = forms.UUIDField(widget=forms.HiddenInput)
    stage = forms.IntegerField(widget=forms.HiddenInput, required=False)
    entry = forms.IntegerField(widget=forms.HiddenInput, required=False)
    stage_name = forms.CharField(widget=forms.HiddenInput, required=False, max_length=200)

    @staticmethod
    def seen(application: Application) -> dict[str, Any]:
        """What the form must hold for this application as it is shown now."""
        return {
            "key": uuid.uuid4(),
            "stage": application.stage_remote_id,
            "entry": application.stage_entry_id,
            "stage_name": application.stage_name,
        }

    def click(self, kind: str) -> Click:
        """The click, once the form is valid."""
        data = self.cleaned_data
        return Click(
            key=data["key"],
            kind=kind,
            seen=SeenStage(stage_id=data["stage"], entry_id=data["entry"]),
            seen_stage_name=data["stage_name"],
            reason=data.get("reason"),
            notes=data.get("notes", ""),
            parameters=self.parameters(),
        )

    def parameters(self) -> dict[str, Any]:
        """What the verb needs besides, in Greenhouse's own ids."""
        return {}


class FormOnApplication(ClickForm):
    """A form about one application of a job that the person may see."""

    def __init__(
        self,
        data: Mapping[str, Any] | None = None,
        *,
        application: Application,
        at: Ground,
        membership: Any,
    ) -> None:
        initial = ClickForm.seen(application)
        super().__init__(data, initial=initial, auto_id=f"%s-{application.pk}")
        self.application, self.at, self.membership = application, at, membership
        self.prepare()

    def prepare(self) -> None:
        """Fill the choices."""
