"""Rejection forms: reason, note and optional email to the candidate."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, time, timedelta, tzinfo
from itertools import groupby
from typing import Any

from django import forms
from django.conf import settings
from django.db.models import QuerySet
from django.utils import timezone
from django.utils.html import format_html

from portal.accounts.models import Membership
from portal.applications.actions.handlers.reject import NO_EMAIL_MESSAGE, can_email_candidate
from portal.applications.forms.base import ApplicationActionForm
from portal.applications.models import ActionKind, ApplicationAction, RejectionPreset
from portal.applications.pending.plans import (
    RejectionPlan,
    build_plan,
)
from portal.entitlements.rules import Rights
from portal.jobs.answers.promise import Promise, get_promise
from portal.sync.models import Application, EmailTemplate, RejectionReason
from portal.web.time_zones import format_time_zone, parse_time_zone

CUSTOM_TIME = "at"
TIME_ZONE_ATTRS = {"data-zone": ""}  # filled in by JavaScript
EMAIL_TIME_MARGIN = timedelta(minutes=10)  # on top of the longest time in the outbox
MAX_RECENT_REJECTIONS, MAX_USUAL_REASONS = 50, 4
MAX_EMAIL_DELAY = timedelta(days=90)  # our limit; Greenhouse documents none
MORNING = "morning"
DAYS_MISSING = "Select a number of working days."
TIME_MISSING = "Enter a time, for example 09:00."
LATER = str(RejectionPreset.EmailDelay.LATER.value)
EMAIL_FIELDS = (
    *("template", "mail_after", "delay_days", "send_time"),
    *("mail_at", "zone", "plan_zone"),
)
CANDIDATE_ZONE_TEXT = "In the candidate's time zone, {candidate}."
NO_ZONE_TEXT = (
    "In your organization's time zone, {organization}, since the candidate's isn't in Greenhouse."
)
EACH_ZONE_TEXT = (
    "In each candidate's time zone; in your organization's, {organization}, where theirs isn't in "
    "Greenhouse."
)
PLAN_HELP = (
    "Until then the application stays active in Greenhouse and counts as undecided here. If a "
    "colleague changes it, nothing is sent, and we email you. You can change or cancel the "
    "rejection under Pending rejections."
)
MORNING_HOUR = time(9)
CANDIDATE_ZONE_HELP = (
    "In the candidate's time zone, {}, at least {} minutes from now. Greenhouse may show the time "
    "in the time zone of your account there."
)
EMAIL_TIME_HELP = (
    "In your time zone, <span data-zone-name>UTC</span>, at least {} minutes from now. Greenhouse "
    "uses the time zone of your account there, which may differ."
)
EMAIL_GONE_MESSAGE = (
    "That email can't be sent anymore. Nothing was done. Reject without an email, or cancel."
)


def list_delay_days() -> list[tuple[int, str]]:
    numbers = range(1, RejectionPreset.MAX_DELAY_DAYS + 1)
    return [(n, "Next working day" if n == 1 else f"In {n} working days") for n in numbers]


def group_delays(more_choices: Sequence[tuple[str, str]] = ()) -> list[tuple[str, Any]]:
    """Whether the rejection waits for its email, or Greenhouse sends the email after it."""
    delay = RejectionPreset.EmailDelay
    soon = [(choice.value, choice.label) for choice in delay if choice != delay.LATER]
    return [
        ("Reject now, email later from Greenhouse", [*soon, *more_choices]),
        ("Reject and email later, can be canceled", [(delay.LATER.value, delay.LATER.label)]),
    ]


def describe_plan_zone(text: str, promise: Promise, zone: str = "") -> str:
    return text.format(
        candidate=format_time_zone(zone), organization=format_time_zone(promise.zone_name)
    )


class RejectionFields(forms.Form):
    reason = forms.ModelChoiceField(
        queryset=RejectionReason.objects.none(),
        error_messages={
            "required": "Select a reason. Greenhouse requires one.",
            "invalid_choice": "That reason no longer exists in Greenhouse. Select another one.",
        },
    )
    notes = forms.CharField(
        required=False,
        max_length=2000,
        label="Note",
        help_text="Saved in Greenhouse with the rejection. The candidate doesn't see it.",
        widget=forms.Textarea(attrs={"rows": 2}),
    )

    template = forms.ModelChoiceField(
        queryset=EmailTemplate.objects.none(),
        required=False,
        label="Email to the candidate",
        empty_label="None",
        error_messages={
            "invalid_choice": "That email no longer exists in Greenhouse. Select another one."
        },
    )
    mail_after = forms.ChoiceField(
        required=False,
        label="When",
    )
    delay_days = forms.TypedChoiceField(
        coerce=int,
        empty_value=None,
        choices=list_delay_days,
        initial=2,
        required=False,
        label="Day",
        help_text=PLAN_HELP,
    )
    send_time = forms.TimeField(
        required=False,
        initial=MORNING_HOUR,
        label="Time",
        widget=forms.TimeInput(attrs={"type": "time"}, format="%H:%M"),
        error_messages={"invalid": TIME_MISSING},
    )
    mail_at = forms.DateTimeField(
        required=False,
        label="Date and time",
        widget=forms.DateTimeInput(attrs={"type": "datetime-local"}, format="%Y-%m-%dT%H:%M"),
        error_messages={"invalid": "Enter a date and time."},
    )
    zone = forms.CharField(required=False, max_length=60, widget=forms.HiddenInput(TIME_ZONE_ATTRS))

    plan_zone = forms.CharField(required=False, max_length=60, widget=forms.HiddenInput)

    why_no_email = ""  # why this candidate is offered no email
    has_no_templates = False  # that can be sent, to anybody

    def set_email_choices(self, connection_id: int, rights: Rights) -> None:
        """Remove the email fields if the credential cannot list templates or there are none."""
        templates = filter_rejection_templates(connection_id)
        if rights.why_unavailable("rejection_mail") or not templates.exists():
            self.has_no_templates = True
            self.remove_email_fields()
            return
        soonest = (settings.REJECT_UNDO_SECONDS + settings.BATCH_UNDO_SECONDS) / 60
        self.soonest = (
            timedelta(minutes=soonest + settings.OUTBOX_RETRY_MINUTES) + EMAIL_TIME_MARGIN
        )
        for name in ("mail_after", "mail_at", "delay_days", "send_time"):
            self.fields[name].hide_optional = True  # type: ignore[attr-defined]
        self.set_delay_choices()
        self.promise = get_promise(rights.member.organization_id)
        self.fields["send_time"].help_text = describe_plan_zone(EACH_ZONE_TEXT, self.promise)
        self.fields["mail_at"].help_text = format_html(
            EMAIL_TIME_HELP, int(self.soonest.total_seconds() / 60)
        )
        field: Any = self.fields["template"]
        field.queryset = templates.order_by("name")

    def set_delay_choices(self, *extra_choices: tuple[str, str]) -> None:
        after: Any = self.fields["mail_after"]
        after.choices = group_delays([*extra_choices, (CUSTOM_TIME, "Pick date and time")])

    def set_candidate_zone(self, zone: str) -> None:
        """Offer times in the candidate's time zone instead of the reader's."""
        self.set_delay_choices((MORNING, f"At 9:00 for the candidate ({format_time_zone(zone)})"))
        self.fields["zone"].widget = forms.HiddenInput()
        self.fields["zone"].initial = zone
        self.fields["mail_at"].help_text = CANDIDATE_ZONE_HELP.format(
            format_time_zone(zone), int(self.soonest.total_seconds() / 60)
        )

    def remove_email_fields(self) -> None:
        for name in EMAIL_FIELDS:
            del self.fields[name]

    def clean(self) -> dict[str, Any]:
        data: dict[str, Any] = super().clean() or {}
        if self.has_no_templates and self.data.get("template"):
            raise forms.ValidationError(EMAIL_GONE_MESSAGE)
        after = data.get("mail_after") if data.get("template") is not None else None
        uses_custom_time = after == CUSTOM_TIME
        if after == LATER:
            self._check_delay(data)
        else:
            for name in ("delay_days", "send_time"):  # hidden
                self.errors.pop(name, None)
        if after == MORNING:
            zone = parse_time_zone(data.get("zone", ""))
            data["mail_at"] = _find_next_morning(timezone.now() + self.soonest, zone)
        if uses_custom_time and "mail_at" not in self.errors:
            self._check_time(data)
        elif not uses_custom_time:
            self.errors.pop("mail_at", None)  # hidden unless a custom time is chosen
        return data

    def _check_delay(self, data: dict[str, Any]) -> None:
        if data.get("delay_days") is None and "delay_days" not in self.errors:
            self.add_error("delay_days", DAYS_MISSING)
        if data.get("send_time") is None and "send_time" not in self.errors:
            self.add_error("send_time", TIME_MISSING)

    def _check_time(self, data: dict[str, Any]) -> None:
        """Must leave time for every way to undo the rejection first."""
        if data["mail_at"] is None:
            self.add_error("mail_at", "Enter a date and time.")
            return
        data["mail_at"] = send_at = _apply_time_zone(data["mail_at"], data.get("zone", ""))
        if send_at < timezone.now() + self.soonest:
            minutes = int(self.soonest.total_seconds() / 60)
            self.add_error("mail_at", f"Enter a time at least {minutes} minutes from now.")
        elif send_at > timezone.now() + MAX_EMAIL_DELAY:
            self.add_error("mail_at", f"Enter a time at most {MAX_EMAIL_DELAY.days} days from now.")

    def build_parameters(self) -> dict[str, Any]:
        template = self.cleaned_data.get("template")
        if template is None:
            return {}
        template_parameters = {"template": template.remote_id, "template_name": template.name}
        if self.cleaned_data["mail_after"] == LATER:
            return {**template_parameters, **self.build_plan().to_parameters()}
        if self.cleaned_data["mail_after"] in (CUSTOM_TIME, MORNING):
            return {**template_parameters, "mail_at": self.cleaned_data["mail_at"].isoformat()}
        return {**template_parameters, "mail_after": int(self.cleaned_data["mail_after"] or 60)}

    def build_plan(self, application: Application | None = None) -> RejectionPlan:
        data = self.cleaned_data
        return build_plan(data["delay_days"], data["send_time"], application, self.promise)

    def set_reason_choices(self, connection_id: int, recent_ids: Sequence[int]) -> None:
        """Choices grouped by type, after those that the person has used recently."""
        reasons = RejectionReason.objects.filter(connection_id=connection_id, gone_at=None)
        field: Any = self.fields["reason"]
        field.queryset = reasons
        field.choices = group_reasons(list(reasons.order_by("type_name", "name")), recent_ids)

    def limit_reasons(self, reasons: QuerySet[RejectionReason]) -> None:
        """Offer only these reasons and no email; one alone is selected."""
        field: Any = self.fields["reason"]
        field.queryset = reasons
        rows = list(reasons.order_by("name"))
        field.choices = group_reasons(rows, [])
        if len(rows) == 1:
            field.initial = rows[0].pk
        if "template" in self.fields:
            self.remove_email_fields()


def filter_rejection_templates(connection_id: int) -> QuerySet[EmailTemplate]:
    return EmailTemplate.objects.filter(
        connection_id=connection_id, gone_at=None, type__icontains="reject"
    )


def _apply_time_zone(entered_at: datetime, zone: str) -> datetime:
    """Django parsed the local time as UTC; reinterpret it in the reader's time zone."""
    return entered_at.replace(tzinfo=parse_time_zone(zone))


def _find_next_morning(earliest: datetime, zone: tzinfo) -> datetime:
    local = earliest.astimezone(zone)
    morning = datetime.combine(local.date(), MORNING_HOUR, tzinfo=zone)
    if morning < local:
        morning = datetime.combine(local.date() + timedelta(days=1), MORNING_HOUR, tzinfo=zone)
    return morning.astimezone(UTC)


def group_reasons(
    reasons: Sequence[RejectionReason], recent_ids: Sequence[int]
) -> list[tuple[str, Any]]:
    """Each reason once: the usual ones first, the others by type."""
    names = {reason.pk: reason.name for reason in reasons}
    recent = [(pk, names[pk]) for pk in recent_ids if pk in names]
    others = [reason for reason in reasons if reason.pk not in recent_ids]
    groups: list[tuple[str, Any]] = [
        (kind or "Other reasons", [(reason.pk, reason.name) for reason in group])
        for kind, group in groupby(others, key=lambda reason: reason.type_name)
    ]
    usual = [("Usual reasons", recent)] if recent else []
    return [("", "Select a reason"), *usual, *groups]


class RejectForm(RejectionFields, ApplicationActionForm):
    def populate_choices(self) -> None:
        connection_id, context = self.application.connection_id, self.action_context
        recent_ids = list_recent_reasons(context.member)
        self.set_reason_choices(connection_id, recent_ids)
        self.fields["reason"].initial = next(iter(recent_ids), None)
        self.set_email_choices(connection_id, context.rights)
        if "template" in self.fields and not can_email_candidate(self.application):
            self.remove_email_fields()
            self.why_no_email = NO_EMAIL_MESSAGE
        if "template" in self.fields:
            self._set_zones()

    def _set_zones(self) -> None:
        candidate = self.application.candidate
        zone = candidate.time_zone if candidate is not None else ""
        if zone:
            self.set_candidate_zone(zone)
        self.fields["plan_zone"].initial = zone or self.promise.zone
        text = CANDIDATE_ZONE_TEXT if zone else NO_ZONE_TEXT
        self.fields["send_time"].help_text = describe_plan_zone(text, self.promise, zone)

    def build_plan(self, application: Application | None = None) -> RejectionPlan:
        return super().build_plan(self.application)


def list_recent_reasons(membership: Membership) -> list[int]:
    """The reasons of the person's latest rejections, the latest first."""
    rejections = ApplicationAction.objects.filter(
        membership=membership, kind=ActionKind.REJECT, reason__gone_at=None
    ).exclude(reason=None)
    latest = rejections.values_list("reason", flat=True)[:MAX_RECENT_REJECTIONS]
    return list(dict.fromkeys(latest))[:MAX_USUAL_REASONS]
