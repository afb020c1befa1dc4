"""Batch forms: the selection and what the action kind asks for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from django import forms
from django.urls import reverse

from integrations.ats.types import SeenStage
from portal.applications.actions.action_context import ActionContext
from portal.applications.forms.choice_search import SearchableForm
from portal.applications.forms.move import JobFields, StageFields
from portal.applications.forms.reject import RejectionFields, list_recent_reasons
from portal.applications.forms.update_for_all import UpdateForAllFields
from portal.applications.models import ActionKind
from portal.applications.pending.plans import read_plan
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


class BatchForm(SearchableForm, SelectionForm):
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

    def build_parameters_for(self, application: Application) -> Mapping[str, Any]:
        """Hook for forms whose parameters depend on the application."""
        return self.build_parameters()

    def build_search_url(self, kind: str) -> str:
        job_id = self.action_context.job_id
        return f"{reverse('applications:batch_choices', args=[job_id])}?kind={kind}"


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
        # None is preselected: for many, a reason has to be a decision.
        recent_ids = list_recent_reasons(self.action_context.member)
        self.set_reason_choices(self.connection_id, recent_ids)
        self.set_email_choices(self.connection_id, self.action_context.rights)

    def build_parameters_for(self, application: Application) -> Mapping[str, Any]:
        """A plan is in each candidate's time zone."""
        parameters = self.build_parameters()
        if read_plan(parameters) is None:
            return parameters
        return {**parameters, **self.build_plan(application).to_parameters()}


class MoveBatchForm(StageFields, BatchForm):
    def populate_choices(self) -> None:
        self.set_stage_choices(self.action_context.stages)


class TransferBatchForm(JobFields, BatchForm):
    def populate_choices(self) -> None:
        self.set_job_choices(self.action_context, self.build_search_url(ActionKind.TRANSFER))


class UpdateBatchForm(UpdateForAllFields, BatchForm):
    def populate_choices(self) -> None:
        self.set_update_choices(
            self.connection_id,
            self.action_context.rights,
            self.build_search_url(ActionKind.UPDATE),
        )


def get_batch_form_class(kind: str) -> type[BatchForm]:
    form_classes: Mapping[str, type[BatchForm]] = {
        ActionKind.REJECT: RejectBatchForm,
        ActionKind.MOVE: MoveBatchForm,
        ActionKind.TRANSFER: TransferBatchForm,
        ActionKind.UPDATE: UpdateBatchForm,
    }
    return form_classes.get(kind, BatchForm)
