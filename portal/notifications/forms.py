from __future__ import annotations

from datetime import timedelta
from typing import Any

from django import forms
from django.utils import timezone

from portal.notifications.models import Preference

PAUSE_CHOICES = {"": "Off", "1": "For a day", "7": "For a week", "keep": "As it is now"}


class PreferenceForm(forms.ModelForm):
    quiet = forms.ChoiceField(
        label="Snooze",
        required=False,
        help_text="You'll get one summary afterwards.",
        widget=forms.RadioSelect,
    )

    class Meta:
        model = Preference
        fields = ("frequency",)
        labels = {"frequency": "How often"}  # noqa: RUF012
        error_messages = {"frequency": {"required": "Select how often."}}  # noqa: RUF012
        widgets = {"frequency": forms.RadioSelect}  # noqa: RUF012

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["frequency"].choices = Preference.Frequency.choices  # type: ignore[attr-defined]
        is_paused = self.instance.is_paused
        choices = [
            (days, label) for days, label in PAUSE_CHOICES.items() if is_paused or days != "keep"
        ]
        self.fields["quiet"].choices = choices  # type: ignore[attr-defined]
        self.initial["quiet"] = "keep" if is_paused else ""

    def save(self, commit: bool = True) -> Any:
        chosen = self.cleaned_data["quiet"]
        if chosen != "keep":
            days = int(chosen or 0)
            self.instance.paused_until = timezone.now() + timedelta(days=days) if days else None
        return super().save(commit)
