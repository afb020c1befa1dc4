"""Base forms for actions: idempotency key and the stage shown on screen."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any

from django import forms

from integrations.ats.types import SeenStage
from portal.applications.actions.action_context import ActionContext, ActionRequest
from portal.sync.models import Application

INCOMPLETE_MESSAGE = "This page was incomplete. Please look again and click once more."


class ActionForm(forms.Form):
    """Hidden fields guard against double submits and stale pages."""

    key = forms.UUIDField(widget=forms.HiddenInput)
    stage = forms.IntegerField(widget=forms.HiddenInput, required=False)
    entry = forms.IntegerField(widget=forms.HiddenInput, required=False)
    stage_name = forms.CharField(widget=forms.HiddenInput, required=False, max_length=200)

    @staticmethod
    def build_initial_data(application: Application) -> dict[str, Any]:
        return {
            "key": uuid.uuid4(),
            "stage": application.stage_remote_id,
            "entry": application.stage_entry_id,
            "stage_name": application.stage_name,
        }

    def build_request(self, kind: str) -> ActionRequest:
        data = self.cleaned_data
        return ActionRequest(
            key=data["key"],
            kind=kind,
            seen=SeenStage(stage_id=data["stage"], entry_id=data["entry"]),
            seen_stage_name=data["stage_name"],
            reason=data.get("reason"),
            notes=data.get("notes", ""),
            parameters=self.build_parameters(),
        )

    def build_parameters(self) -> dict[str, Any]:
        """Handler parameters, in Greenhouse's IDs."""
        return {}


class ApplicationActionForm(ActionForm):
    def __init__(
        self,
        data: Mapping[str, Any] | None = None,
        *,
        application: Application,
        action_context: ActionContext,
    ) -> None:
        initial = ActionForm.build_initial_data(application)
        super().__init__(data, initial=initial, auto_id=f"%s-{application.pk}")
        self.application = application
        self.action_context = action_context
        self.populate_choices()

    def populate_choices(self) -> None:
        """Hook for subclasses."""
