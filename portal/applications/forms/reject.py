"""Rejecting: why, with a note, and perhaps an e-mail to the candidate."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from itertools import groupby
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from django import forms
from django.conf import settings
from django.utils import timezone
from django.utils.html import format_html

from portal.applications.forms.click import FormOnApplication
from portal.applications.models import ApplicationAction, Kind
from portal.entitlements.rules import Rights
from portal.mirror.models import EmailTemplate, RejectionReason

OWN_TIME = "at"
ZONE = {"data-zone": ""}  # the browser puts its time zone in
SPARE = timedelta(minutes=10)  # on top of the longest that a click may wait here
LATEST = timedelta(days=90)  # ours: Greenhouse documents no limit
HELP = (
    "Read as <span data-zone-name>UTC</span>, and at least {} minutes from now, so that Undo comes "
    "first. Greenhouse goes by the clock of your account there, so it may be off where that has "
    "another time zone."
)


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
        choices=[
            (60, "An hour after the rejection"),
            (60 * 24, "A day after the rejection"),
            (60 * 72, "Three days after the rejection"),
            (OWN_TIME, "At a time that you choose"),
        ],
        required=False,
        label="Greenhouse sends it",
        help_text="While Undo counts down, no e-mail is on its way.",
    )
    mail_at = forms.DateTimeField(
        required=False,
        label="Day and time",
        widget=forms.DateTimeInput(attrs={"type": "datetime-local"}, format="%Y-%m-%dT%H:%M"),
        error_messages={"invalid": "Enter a day and a time, please."},
    )
    zone = forms.CharField(required=False, max_length=60, widget=forms.HiddenInput(ZONE))

    def offer_mails(self, connection_id: int, held: Rights) -> None:
        """Let an e-mail go with it, where the credential may name them."""
        templates = EmailTemplate.objects.filter(
            connection_id=connection_id, gone_at=None, type__icontains="reject"
        )
        if held.why_not("rejection_mail") or not templates.exists():
            for name in ("template", "mail_after", "mail_at", "zone"):
                del self.fields[name]
            return
        soonest = (settings.REJECT_HOLD_SECONDS + settings.BULK_HOLD_SECONDS) / 60
        self.soonest = timedelta(minutes=soonest + settings.OUTBOX_PATIENCE_MINUTES) + SPARE
        for name in ("mail_after", "mail_at"):
            self.fields[name].hide_optional = True  # type: ignore[attr-defined]
        self.fields["mail_at"].help_text = format_html(HELP, int(self.soonest.total_seconds() / 60))
        field: Any = self.fields["template"]
        field.queryset = templates.order_by("name")

    def clean(self) -> dict[str, Any]:
        data: dict[str, Any] = super().clean() or {}
        own = data.get("template") is not None and data.get("mail_after") == OWN_TIME
        if own and "mail_at" not in self.errors:
            self._check_time(data)
        elif not own:
            self.errors.pop("mail_at", None)  # not asked for
        return data

    def _check_time(self, data: dict[str, Any]) -> None:
        """Late enough for every way of taking it back, and no slip of the year."""
        if data["mail_at"] is None:
            self.add_error("mail_at", "Enter a day and a time, please.")
            return
        data["mail_at"] = at = _in_zone(data["mail_at"], data.get("zone", ""))
        if at < timezone.now() + self.soonest:
            minutes = int(self.soonest.total_seconds() / 60)
            self.add_error("mail_at", f"That is too soon: at least {minutes} minutes from now.")
        elif at > timezone.now() + LATEST:
            self.add_error("mail_at", f"That is too late: at most {LATEST.days} days from now.")

    def parameters(self) -> dict[str, Any]:
        template = self.cleaned_data.get("template")
        if template is None:
            return {}
        about = {"template": template.remote_id, "template_name": template.name}
        if self.cleaned_data["mail_after"] == OWN_TIME:
            return {**about, "mail_at": self.cleaned_data["mail_at"].isoformat()}
        return {**about, "mail_after": int(self.cleaned_data["mail_after"] or 60)}

    def offer_reasons(self, connection_id: int, last: int | None) -> None:
        """Let one of the connection's reasons be chosen, by kind; `last` stands there already."""
        reasons = RejectionReason.objects.filter(connection_id=connection_id, gone_at=None)
        field: Any = self.fields["reason"]
        field.queryset = reasons
        field.choices = _by_kind(reasons.order_by("type_name", "name"))
        field.initial = last


def _in_zone(at: datetime, zone: str) -> datetime:
    """What was entered (which Django took for UTC) as a moment in the reader's zone."""
    try:
        return at.replace(tzinfo=ZoneInfo(zone or "UTC"))
    except (ZoneInfoNotFoundError, ValueError):
        return at


def _by_kind(reasons: Iterable[RejectionReason]) -> list[tuple[str, Any]]:
    kinds = groupby(reasons, key=lambda reason: reason.type_name)
    groups: list[tuple[str, Any]] = [
        (kind or "Other reasons", [(reason.pk, reason.name) for reason in group])
        for kind, group in kinds
    ]
    return [("", "Choose a reason"), *groups]


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
