"""What a click carries: its key, what the person had on screen, and what its verb needs besides."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping
from itertools import groupby
from typing import Any, ClassVar

from django import forms
from django.db.models import OuterRef, Subquery

from integrations.ats.types import SeenStage
from portal.applications.models import ApplicationAction, Habits, Kind
from portal.applications.verbs import Click, Ground
from portal.applications.verbs.update import FIELDS
from portal.entitlements.rules import Rights, visible_jobs
from portal.mirror.models import (
    Application,
    AtsUser,
    EmailTemplate,
    Job,
    RejectionReason,
    Source,
    Stage,
)


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

    template = forms.ModelChoiceField(
        queryset=EmailTemplate.objects.none(),
        required=False,
        label="E-mail to the candidate",
        empty_label="None",
        error_messages={"invalid_choice": "That e-mail is no longer in Greenhouse."},
    )
    mail_after = forms.ChoiceField(
        choices=[(60, "After an hour"), (60 * 24, "After a day"), (60 * 72, "After three days")],
        required=False,
        label="Greenhouse sends it",
        help_text="Counted from the rejection. While Undo counts down, no e-mail is on its way.",
    )

    def offer_mails(self, connection_id: int, held: Rights) -> None:
        """Let an e-mail go with it, where the credential may name them."""
        templates = EmailTemplate.objects.filter(
            connection_id=connection_id, gone_at=None, type__icontains="reject"
        )
        if held.why_not("rejection_mail") or not templates.exists():
            del self.fields["template"], self.fields["mail_after"]
            return
        field: Any = self.fields["template"]
        field.queryset = templates.order_by("name")

    def parameters(self) -> dict[str, Any]:
        template = self.cleaned_data.get("template")
        if template is None:
            return {}
        return {
            "template": template.remote_id,
            "template_name": template.name,
            "mail_after": int(self.cleaned_data["mail_after"] or 60),
        }

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


class RejectForm(RejectFields, FormOnApplication):
    """Reject, with a reason from Greenhouse's own list."""

    def prepare(self) -> None:
        self.offer_reasons(self.application.connection_id, last_reason(self.membership))
        self.offer_mails(self.application.connection_id, self.at.held)


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


class UpdateForm(FormOnApplication):
    """Change source, recruiter or coordinator. What is left as it is is not sent."""

    source = forms.ModelChoiceField(queryset=Source.objects.none(), required=False)
    recruiter = forms.ModelChoiceField(queryset=AtsUser.objects.none(), required=False)
    coordinator = forms.ModelChoiceField(queryset=AtsUser.objects.none(), required=False)

    def prepare(self) -> None:
        connection = self.application.connection_id
        users = AtsUser.objects.filter(connection_id=connection, gone_at=None, deactivated=False)
        sources = Source.objects.filter(connection_id=connection, gone_at=None)
        for name in FIELDS:
            field: Any = self.fields[name]
            field.queryset = (sources if name == "source" else users).order_by("name", "id")
            field.initial = getattr(self.application, f"{name}_id")
            field.empty_label = "Not given" if field.initial is None else "Leave as it is"

    def clean(self) -> dict[str, Any]:
        data: dict[str, Any] = super().clean() or {}
        if not self.errors and not self._changed(data):
            raise forms.ValidationError("Nothing is changed yet. Choose something else above.")
        return data

    def _changed(self, data: Mapping[str, Any]) -> list[str]:
        chosen = {name: data[name] for name in FIELDS if data.get(name) is not None}
        return [
            name
            for name, value in chosen.items()
            if value.pk != getattr(self.application, f"{name}_id")
        ]

    def parameters(self) -> dict[str, Any]:
        data = self.cleaned_data
        return {
            name: {**(_named(data[name]) or {}), "was": _named(getattr(self.application, name))}
            for name in self._changed(data)
        }


def _named(record: Source | AtsUser | None) -> dict[str, Any] | None:
    if record is None:
        return None
    return {"remote": record.remote_id, "pk": record.pk, "name": str(record)}


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


class RejectBatchForm(RejectFields, BatchForm):
    """Reject many for one reason."""

    def prepare(self) -> None:
        self.offer_reasons(self.connection_id, last_reason(self.membership))
        self.offer_mails(self.connection_id, self.at.held)


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


class HabitsForm(forms.ModelForm):
    """How the person likes to review."""

    class Meta:
        model = Habits
        fields = ("words", "keys")
        labels: ClassVar = {"words": "Words to highlight", "keys": "Keys of one letter act"}
        help_texts: ClassVar = {"words": "Parted by commas, for example: Python, remote, Berlin"}
