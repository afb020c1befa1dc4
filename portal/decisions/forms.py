from __future__ import annotations

from typing import Any

from django import forms

from portal.decisions.models import MAX_YEARS, MIN_YEARS

_CHOICES = [
    (str(years), f"{years} year{'s' if years > 1 else ''}")
    for years in range(MIN_YEARS, MAX_YEARS + 1)
]


class RetentionForm(forms.Form):
    years = forms.ChoiceField(
        label="Keep decisions for",
        choices=_CHOICES,
        help_text="Counted from each decision. Older ones are deleted every night.",
        widget=forms.Select(attrs={"class": "input"}),
        error_messages={
            "required": "Choose how long decisions are kept.",
            "invalid_choice": "Choose a number of years from the list.",
        },
    )
    confirmed = forms.BooleanField(
        label="Delete the decisions that are older, for good",
        help_text="Only needed if you choose fewer years. Export the records first.",
        required=False,
    )

    def __init__(self, data: Any = None, *, years: int) -> None:
        super().__init__(data, initial={"years": str(years)})
        self._current_years = years

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        is_shorter = int(data.get("years") or MAX_YEARS) < self._current_years
        if is_shorter and not data.get("confirmed"):
            message = "Select this to keep decisions for fewer years. Older ones are deleted."
            self.add_error("confirmed", message)
        return data

    @property
    def chosen_years(self) -> int:
        return int(self.cleaned_data["years"])
