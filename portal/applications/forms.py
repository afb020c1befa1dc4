"""What a click carries: its key, what the person had on screen, and what its verb needs besides."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping
from itertools import groupby
from typing import Any

from django import forms
from django.db.models import OuterRef, Subquery

from integrations.ats.types import SeenStage
from portal.applications.models import ApplicationAction, Kind
from portal.applications.verbs import Click, Ground
from portal.entitlements.rules import visible_jobs
from portal.mirror.models import Application, Job, RejectionReason, Stage


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


class RejectFields(forms.Form):
    """Why, with a note, and perhaps an e-mail; for one application or for many."""

    reason = forms.ModelChoiceField(
        queryset=RejectionReason.objects.none(),
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

    def offer_reasons(self, connection_id: int, last: int | None) -> None:
        """Let one of the connection's reasons be chosen, by kind; `last` stands there already."""
        reasons = RejectionReason.objects.filter(connection_id=connection_id, gone_at=None)
        field: Any = self.fields["reason"]
        field.queryset = reasons
        field.choices = _by_kind(reasons.order_by("type_name", "name"))
        field.initial = last


def _by_kind(reasons: Iterable[RejectionReason]) -> list[tuple[str, Any]]:
    kinds = groupby(reasons, key=lambda reason: reason.type_name)
    groups: list[tuple[str, Any]] = [
        (kind or "Other reasons", [(reason.pk, reason.name) for reason in group])
        for kind, group in kinds
    ]
    return [("", "Choose a reason"), *groups]


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


class RejectForm(FormOnApplication, RejectFields):
    """Reject, with a reason from Greenhouse's own list."""

    def prepare(self) -> None:
        self.offer_reasons(self.application.connection_id, last_reason(self.membership))


def last_reason(membership: Any) -> int | None:
    """The reason this person chose last."""
    rejections = ApplicationAction.objects.filter(membership=membership, kind=Kind.REJECT)
    found: int | None = (
        rejections.filter(reason__gone_at=None).values_list("reason", flat=True).first()
    )
    return found


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


class BatchForm(forms.Form):
    """One thing done to many: which ones, and where each stood on screen."""

    key = forms.UUIDField(widget=forms.HiddenInput)
    chosen = forms.CharField(widget=forms.HiddenInput)

    def __init__(
        self, data: Mapping[str, Any] | None = None, *, initial: Mapping[str, Any], at: Ground,
        membership: Any, connection_id: int,
    ) -> None:  # fmt: skip
        super().__init__(data, initial=dict(initial))
        self.at, self.membership, self.connection_id = at, membership, connection_id
        self.prepare()

    def prepare(self) -> None:
        """Fill the choices."""

    @staticmethod
    def packed(applications: Iterable[Application]) -> str:
        """Each application with the stage in which it is shown."""
        return " ".join(
            f"{one.pk}:{one.stage_remote_id or ''}:{one.stage_entry_id or ''}"
            for one in applications
        )

    def clean_chosen(self) -> dict[int, SeenStage]:
        try:
            return dict(_unpacked(entry) for entry in self.cleaned_data["chosen"].split())
        except ValueError:
            raise forms.ValidationError("This page was incomplete. Choose again, please.") from None

    def parameters(self) -> dict[str, Any]:
        """What the verb needs besides, in Greenhouse's own ids."""
        return {}


def _unpacked(entry: str) -> tuple[int, SeenStage]:
    pk, stage, stay = entry.split(":")
    return int(pk), SeenStage(
        stage_id=int(stage) if stage else None, entry_id=int(stay) if stay else None
    )


class RejectBatchForm(BatchForm, RejectFields):
    """Reject many for one reason."""

    def prepare(self) -> None:
        self.offer_reasons(self.connection_id, last_reason(self.membership))


class MoveBatchForm(MoveFields, BatchForm):
    """Move many to one stage."""

    def prepare(self) -> None:
        self.offer_stages(self.at.stages)


def batch_form(kind: str) -> type[BatchForm]:
    """The form that asks for what this kind needs."""
    forms_: Mapping[str, type[BatchForm]] = {
        Kind.REJECT: RejectBatchForm,
        Kind.MOVE: MoveBatchForm,
    }
    return forms_.get(kind, BatchForm)
