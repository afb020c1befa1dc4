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
from portal.applications.models import ActionKind, ApplicationAction
from portal.entitlements.rules import Rights
from portal.sync.models import EmailTemplate, RejectionReason
from portal.web.time_zones import format_time_zone, parse_time_zone

CUSTOM_TIME = "at"
TIME_ZONE_ATTRS = {"data-zone": ""}  # filled in by JavaScript
EMAIL_TIME_MARGIN = timedelta(minutes=10)  # on top of the longest time in the outbox
MAX_RECENT_REJECTIONS, MAX_USUAL_REASONS = 50, 4
MAX_EMAIL_DELAY = timedelta(days=90)  # our limit; Greenhouse documents none
MORNING = "morning"
MORNING_HOUR = time(9)
CANDIDATE_ZONE_HELP = (
    "In the candidate’s time zone, {}, at least {} minutes from now. Greenhouse may show the time "
    "in the time zone of your account there."
)
EMAIL_TIME_HELP = (
    "In your time zone, <span data-zone-name>UTC</span>, at least {} minutes from now. Greenhouse "
    "uses the time zone of your account there, which may differ."
)
EMAIL_GONE_MESSAGE = (
    "That email can’t be sent anymore. Nothing was done. Reject without an email, or cancel."
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
        choices=[
            (60, "1 hour after the rejection"),
            (60 * 24, "1 day after the rejection"),
            (60 * 72, "3 days after the rejection"),
            (CUSTOM_TIME, "Pick date and time"),
        ],
        required=False,
        label="Send email",
        help_text="Nothing is scheduled until the undo period ends.",
    )
    mail_at = forms.DateTimeField(
        required=False,
        label="Date and time",
        widget=forms.DateTimeInput(attrs={"type": "datetime-local"}, format="%Y-%m-%dT%H:%M"),
        error_messages={"invalid": "Enter a date and time."},
    )
    zone = forms.CharField(required=False, max_length=60, widget=forms.HiddenInput(TIME_ZONE_ATTRS))

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
        for name in ("mail_after", "mail_at"):
            self.fields[name].hide_optional = True  # type: ignore[attr-defined]
        self.fields["mail_at"].help_text = format_html(
            EMAIL_TIME_HELP, int(self.soonest.total_seconds() / 60)
        )
        field: Any = self.fields["template"]
        field.queryset = templates.order_by("name")

    def set_candidate_zone(self, zone: str) -> None:
        """Offer times in the candidate's time zone instead of the reader's."""
        after: Any = self.fields["mail_after"]
        label = f"At 9:00 for the candidate ({format_time_zone(zone)})"
        after.choices = [*after.choices[:-1], (MORNING, label), after.choices[-1]]
        self.fields["zone"].widget = forms.HiddenInput()
        self.fields["zone"].initial = zone
        self.fields["mail_at"].help_text = CANDIDATE_ZONE_HELP.format(
            format_time_zone(zone), int(self.soonest.total_seconds() / 60)
        )

    def remove_email_fields(self) -> None:
        for name in ("template", "mail_after", "mail_at", "zone"):
            del self.fields[name]

    def clean(self) -> dict[str, Any]:
        data: dict[str, Any] = super().clean() or {}
        if self.has_no_templates and self.data.get("template"):
            raise forms.ValidationError(EMAIL_GONE_MESSAGE)
        after = data.get("mail_after") if data.get("template") is not None else None
        uses_custom_time = after == CUSTOM_TIME
        if after == MORNING:
            zone = parse_time_zone(data.get("zone", ""))
            data["mail_at"] = _find_next_morning(timezone.now() + self.soonest, zone)
        if uses_custom_time and "mail_at" not in self.errors:
            self._check_time(data)
        elif not uses_custom_time:
            self.errors.pop("mail_at", None)  # hidden unless a custom time is chosen
        return data

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
        if self.cleaned_data["mail_after"] in (CUSTOM_TIME, MORNING):
            return {**template_parameters, "mail_at": self.cleaned_data["mail_at"].isoformat()}
        return {**template_parameters, "mail_after": int(self.cleaned_data["mail_after"] or 60)}

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
        candidate = self.application.candidate
        if "template" in self.fields and candidate and candidate.time_zone:
            self.set_candidate_zone(candidate.time_zone)


def list_recent_reasons(membership: Membership) -> list[int]:
    """The reasons of the person's latest rejections, the latest first."""
    rejections = ApplicationAction.objects.filter(
        membership=membership, kind=ActionKind.REJECT, reason__gone_at=None
    ).exclude(reason=None)
    latest = rejections.values_list("reason", flat=True)[:MAX_RECENT_REJECTIONS]
    return list(dict.fromkeys(latest))[:MAX_USUAL_REASONS]
