"""How somebody wants to be told."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django import forms
from django.utils import timezone

from portal.notices.models import Preference

QUIET = {"": "No", "1": "For a day", "7": "For a week", "keep": "As it is"}


class PreferenceForm(forms.ModelForm):
    """At once or once a day, and a while of quiet."""

    quiet = forms.ChoiceField(
        label="Quiet for a while",
        required=False,
        help_text="What happens meanwhile is told in one mail afterwards.",
        widget=forms.RadioSelect,
    )

    class Meta:
        model = Preference
        fields = ("how",)
        labels = {"how": "When should mails come?"}  # noqa: RUF012  (Django's own form of it)
        widgets = {"how": forms.RadioSelect}  # noqa: RUF012

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["how"].choices = Preference.How.choices  # type: ignore[attr-defined]
        quiet = self.instance.is_quiet
        choices = [(k, w) for k, w in QUIET.items() if quiet or k != "keep"]
        self.fields["quiet"].choices = choices  # type: ignore[attr-defined]
        self.initial["quiet"] = "keep" if quiet else ""

    def save(self, commit: bool = True) -> Any:
        chosen = self.cleaned_data["quiet"]
        if chosen != "keep":
            days = int(chosen or 0)
            self.instance.quiet_until = timezone.now() + timedelta(days=days) if days else None
        return super().save(commit)
