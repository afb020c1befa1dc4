"""To another stage, or to another job."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django import forms
from django.db.models import OuterRef, Subquery

from portal.applications.forms.click import FormOnApplication
from portal.entitlements.rules import visible_jobs
from portal.mirror.models import Job, Stage


class MoveFields(forms.Form):
    """Which stage."""

    to_stage = forms.ModelChoiceField(
        queryset=Stage.objects.none(),
        label="Stage",
        empty_label="Choose a stage",
        error_messages={
            "required": "Choose a stage, please.",
            "invalid_choice": "That stage is no longer one of this requisition's. Choose another.",
        },
    )

    def offer_stages(self, stages: Iterable[Stage]) -> None:
        """Let one of these be chosen."""
        field: Any = self.fields["to_stage"]
        field.queryset = Stage.objects.filter(pk__in=[s.pk for s in stages]).order_by("order")

    def parameters(self) -> dict[str, Any]:
        stage = self.cleaned_data["to_stage"]
        return {"to_stage": stage.remote_id, "to_stage_name": stage.name}


class MoveForm(MoveFields, FormOnApplication):
    """Move to another stage of its job."""

    def prepare(self) -> None:
        here = self.application.stage_id
        self.offer_stages([stage for stage in self.at.stages if stage.pk != here])


class _JobField(forms.ModelChoiceField):
    def label_from_instance(self, obj: Any) -> str:
        number = f" ({obj.requisition_id})" if obj.requisition_id else ""
        landing = f" · lands in “{obj.landing}”" if obj.landing else ""
        return f"{obj.name}{number}{landing}"


class TransferForm(FormOnApplication):
    """Transfer to another open job that the person may see."""

    to_job = _JobField(
        queryset=Job.objects.none(),
        label="Requisition",
        empty_label="Choose a requisition",
        help_text="Open ones that Greenhouse lets you see. It lands in the first stage there.",
        error_messages={
            "required": "Choose a requisition, please.",
            "invalid_choice": "That requisition is not open to you. Choose another one, please.",
        },
    )

    def prepare(self) -> None:
        jobs = visible_jobs(self.membership, held=self.at.held).exclude(
            pk=self.application.job_id or 0
        )
        first = Stage.objects.filter(job=OuterRef("pk"), active=True, gone_at=None)
        landing = Subquery(first.order_by("order", "id").values("name")[:1])
        field: Any = self.fields["to_job"]
        field.queryset = jobs.annotate(landing=landing).order_by("name", "id")

    def parameters(self) -> dict[str, Any]:
        job = self.cleaned_data["to_job"]
        return {"to_job": job.remote_id, "to_job_name": job.name}
