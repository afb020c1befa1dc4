"""Forms to move to another stage and to transfer to another job."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django import forms
from django.db.models import OuterRef, Q, Subquery

from portal.applications.actions.action_context import ActionContext
from portal.applications.forms.base import ApplicationActionForm
from portal.applications.forms.choice_search import QuerysetSource, SearchableForm
from portal.applications.models import ActionKind
from portal.core.names.search_keys import match_title
from portal.entitlements.rules import visible_jobs
from portal.sync.models import Job, Stage


class StageFields(forms.Form):
    to_stage = forms.ModelChoiceField(
        queryset=Stage.objects.none(),
        label="Stage",
        empty_label="Select a stage",
        error_messages={
            "required": "Select a stage.",
            "invalid_choice": "This requisition no longer has that stage. Select another one.",
        },
    )

    def set_stage_choices(self, stages: Iterable[Stage]) -> None:
        field: Any = self.fields["to_stage"]
        field.queryset = Stage.objects.filter(pk__in=[s.pk for s in stages]).order_by("order")

    def build_parameters(self) -> dict[str, Any]:
        stage = self.cleaned_data["to_stage"]
        return {"to_stage": stage.remote_id, "to_stage_name": stage.name}


class MoveForm(StageFields, ApplicationActionForm):
    def populate_choices(self) -> None:
        current_stage_id = self.application.stage_id
        self.set_stage_choices(
            [stage for stage in self.action_context.stages if stage.pk != current_stage_id]
        )
        if self.data.get("to_stage") == str(current_stage_id):  # moved since the form was opened
            self.fields["to_stage"].error_messages["invalid_choice"] = (
                f"Already in “{self.application.stage_name}”. Select another stage."
            )


class _JobChoiceField(forms.ModelChoiceField):
    def label_from_instance(self, obj: Any) -> str:
        number = f" ({obj.requisition_id})" if obj.requisition_id else ""
        landing = f" · starts in “{obj.landing}”" if obj.landing else ""
        return f"{obj.name}{number}{landing}"


def _match_job(query: str) -> Q:
    return match_title(query) | Q(requisition_id__icontains=query)


class JobFields(SearchableForm):
    to_job = _JobChoiceField(
        queryset=Job.objects.none(),
        label="Requisition",
        empty_label="Select a requisition",
        help_text="Open requisitions you can access. The candidate starts in the first stage.",
        error_messages={
            "required": "Select a requisition.",
            "invalid_choice": "You no longer have access to that requisition. Select another one.",
        },
    )

    def set_job_choices(self, context: ActionContext, search_url: str) -> None:
        jobs = visible_jobs(context.member, member_rights=context.rights).exclude(pk=context.job_id)
        first = Stage.objects.filter(job=OuterRef("pk"), active=True, gone_at=None)
        landing = Subquery(first.order_by("order", "id").values("name")[:1])
        field: Any = self.fields["to_job"]
        field.queryset = jobs.annotate(landing=landing).order_by("name", "id")
        source = QuerysetSource(field, _match_job)
        self.limit_choices("to_job", source, search_url)

    def build_parameters(self) -> dict[str, Any]:
        job = self.cleaned_data["to_job"]
        return {"to_job": job.remote_id, "to_job_name": job.name}


class TransferForm(JobFields, ApplicationActionForm):
    def populate_choices(self) -> None:
        self.set_job_choices(self.action_context, self.build_search_url(ActionKind.TRANSFER))
