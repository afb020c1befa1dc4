"""Batch forms: the selection and what the action kind asks for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from django import forms

from integrations.ats.types import SeenStage
from portal.applications.actions.action_context import ActionContext
from portal.applications.forms.move import StageFields
from portal.applications.forms.reject import RejectionFields, get_last_reason
from portal.applications.models import ActionKind
from portal.sync.models import Application
from portal.web.id_parsing import parse_id


class SelectionForm(forms.Form):
    """The selected applications, each with the stage shown on screen."""

    selection = forms.CharField(widget=forms.HiddenInput)

    @staticmethod
    def pack_selection(applications: Iterable[Application]) -> str:
        return " ".join(
            f"{a.pk}:{a.stage_remote_id or ''}:{a.stage_entry_id or ''}" for a in applications
        )

    def clean_selection(self) -> dict[int, SeenStage]:
        try:
            return dict(_parse_entry(entry) for entry in self.cleaned_data["selection"].split())
        except ValueError:
            raise forms.ValidationError(
                "Part of the page was missing. Select the applications again."
            ) from None


class BatchForm(SelectionForm):
    key = forms.UUIDField(widget=forms.HiddenInput)

    def __init__(
        self,
        data: Mapping[str, Any] | None = None,
        *,
        initial: Mapping[str, Any],
        action_context: ActionContext,
        connection_id: int,
    ) -> None:
        super().__init__(data, initial=dict(initial))
        self.action_context = action_context
        self.connection_id = connection_id
        self.populate_choices()

    def populate_choices(self) -> None:
        """Hook for subclasses."""

    def build_parameters(self) -> dict[str, Any]:
        return {}


def _parse_entry(entry: str) -> tuple[int, SeenStage]:
    pk, stage, stage_entry = entry.split(":")
    return _parse_key(pk), SeenStage(
        stage_id=_parse_key(stage) if stage else None,
        entry_id=_parse_key(stage_entry) if stage_entry else None,
    )


def _parse_key(text: str) -> int:
    key = parse_id(text)
    if key is None:
        raise ValueError
    return key


class RejectBatchForm(RejectionFields, BatchForm):
    def populate_choices(self) -> None:
        self.set_reason_choices(self.connection_id, get_last_reason(self.action_context.member))
        self.set_email_choices(self.connection_id, self.action_context.rights)


class MoveBatchForm(StageFields, BatchForm):
    def populate_choices(self) -> None:
        self.set_stage_choices(self.action_context.stages)


def get_batch_form_class(kind: str) -> type[BatchForm]:
    form_classes: Mapping[str, type[BatchForm]] = {
        ActionKind.REJECT: RejectBatchForm,
        ActionKind.MOVE: MoveBatchForm,
    }
    return form_classes.get(kind, BatchForm)
