"""Form of a rejection preset."""

from __future__ import annotations

from typing import Any, ClassVar

from django import forms
from django.db import IntegrityError, transaction

from portal.applications.forms.reject import (
    DAYS_MISSING,
    EACH_ZONE_TEXT,
    TIME_MISSING,
    describe_plan_zone,
    filter_rejection_templates,
    group_delays,
    group_reasons,
    list_delay_days,
)
from portal.applications.models import RejectionPreset
from portal.applications.review.presets import DIGITS, find_free_digit
from portal.entitlements.rules import Rights
from portal.jobs.answers.promise import get_promise
from portal.sync.models import RejectionReason

KEY_MISSING = "Select a key."
PRESET_PLAN_HELP = (
    "Counted from the decision, without weekends and holidays. Until then the application stays "
    "active in Greenhouse, and you can change or cancel the rejection. Candidates who accept no "
    "email are rejected at once, without one."
)
_DELAY_FIELDS = ("mail_after", "delay_days", "send_time")


class PresetForm(forms.ModelForm):
    is_shared = forms.BooleanField(
        required=False,
        label="Share with everybody in your organization",
        help_text="Your own preset on the same key goes before a shared one.",
    )

    class Meta:
        model = RejectionPreset
        fields = (
            *("name", "digit", "reason", "notes"),
            *("template", "mail_after", "delay_days", "send_time"),
        )
        labels: ClassVar = {
            "digit": "Key",
            "notes": "Note",
            "template": "Email to the candidate",
            "mail_after": "When",
            "send_time": "Time",
        }
        help_texts: ClassVar = {
            "name": "Shown on its button in a review, for example: Too junior.",
            "notes": "Saved in Greenhouse with each rejection. The candidate doesn't see it.",
        }
        error_messages: ClassVar = {
            "name": {"required": "Enter a name."},
            "digit": {"required": KEY_MISSING},
            "reason": {"required": "Select a reason. Greenhouse requires one."},
            "mail_after": {"required": "Select when to send the email."},
            "delay_days": {"required": DAYS_MISSING},
            "send_time": {"required": TIME_MISSING, "invalid": TIME_MISSING},
        }
        widgets: ClassVar = {
            "notes": forms.Textarea(attrs={"rows": 2}),
            "send_time": forms.TimeInput(attrs={"type": "time"}, format="%H:%M"),
        }

    def __init__(self, *args: Any, rights: Rights, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.rights = rights
        fields: dict[str, Any] = self.fields
        member, connection = rights.member, rights.match.connection
        fields["digit"] = forms.TypedChoiceField(
            label="Key",
            coerce=int,
            choices=[(digit, str(digit)) for digit in DIGITS],
            error_messages={"required": KEY_MISSING},
        )
        if self.instance.pk is None:
            fields["digit"].initial = find_free_digit(member)
            if not member.is_admin:
                del fields["is_shared"]
        else:
            del fields["is_shared"]
        reasons = RejectionReason.objects.filter(connection=connection, gone_at=None)
        fields["reason"].queryset = reasons
        fields["reason"].required = True
        fields["reason"].choices = group_reasons(list(reasons.order_by("type_name", "name")), ())
        self._set_template_choices()

    def _set_template_choices(self) -> None:
        connection = self.rights.match.connection
        templates = filter_rejection_templates(connection.pk if connection else 0)
        if self.rights.why_unavailable("rejection_mail") or not templates.exists():
            for name in ("template", *_DELAY_FIELDS):
                del self.fields[name]
            return
        field: Any = self.fields["template"]
        field.queryset = templates.order_by("name")
        field.empty_label = "None"
        for name in _DELAY_FIELDS:
            self.fields[name].hide_optional = True  # type: ignore[attr-defined]
        after: Any = self.fields["mail_after"]
        after.choices = group_delays()
        fields: dict[str, Any] = self.fields
        fields["delay_days"] = forms.TypedChoiceField(
            coerce=int,
            empty_value=None,
            choices=list_delay_days(),
            initial=fields["delay_days"].initial,
            required=False,
            label="Day",
            help_text=PRESET_PLAN_HELP,
        )
        fields["delay_days"].hide_optional = True
        fields["send_time"].required = False
        promise = get_promise(self.rights.member.organization_id)
        fields["send_time"].help_text = describe_plan_zone(EACH_ZONE_TEXT, promise)

    def clean(self) -> dict[str, Any]:
        data: dict[str, Any] = super().clean() or {}
        if data.get("template") is None and "mail_after" in data:
            data["mail_after"] = RejectionPreset.EmailDelay.HOUR  # there is nothing to wait for
        self._check_delay(data)
        if "digit" in data and (other := self._find_preset_on(data)) is not None:
            self.add_error("digit", f"Key {data['digit']} is used by “{other.name}”.")
        return data

    def _check_delay(self, data: dict[str, Any]) -> None:
        is_later = data.get("mail_after") == RejectionPreset.EmailDelay.LATER
        missing_texts = {"delay_days": DAYS_MISSING, "send_time": TIME_MISSING}
        for name, missing_text in missing_texts.items():
            if not is_later:
                self.errors.pop(name, None)  # it is hidden
            if data.get(name) is not None:
                continue
            data.pop(name, None)  # the preset's own stays
            if is_later and name not in self.errors:
                self.add_error(name, missing_text)

    def save_on_free_digit(self) -> bool:
        """False, with an error on the form, if somebody else took the digit in the meantime."""
        try:
            with transaction.atomic():
                self.save()
        except IntegrityError:
            self.add_error("digit", f"Key {self.cleaned_data['digit']} was just taken.")
            return False
        return True

    def _find_preset_on(self, data: dict[str, Any]) -> RejectionPreset | None:
        """Another preset of the same owner on the same key."""
        self._set_owner(is_shared=data.get("is_shared", False))
        presets = RejectionPreset.objects.filter(
            organization=self.instance.organization_id,
            membership=self.instance.membership_id,
            digit=data["digit"],
        )
        return presets.exclude(pk=self.instance.pk).first()

    def _set_owner(self, *, is_shared: bool) -> None:
        if self.instance.pk is None:
            member = self.rights.member
            self.instance.organization_id = member.organization_id
            self.instance.membership = None if is_shared else member
