"""Review preferences."""

from __future__ import annotations

from typing import ClassVar

from django import forms

from portal.applications.models import ReviewPreferences


class ReviewPreferencesForm(forms.ModelForm):
    class Meta:
        model = ReviewPreferences
        fields = ("highlighted_words", "single_key_shortcuts")
        labels: ClassVar = {
            "highlighted_words": "Words to highlight",
            "single_key_shortcuts": "Enable single-key shortcuts",
        }
        help_texts: ClassVar = {
            "highlighted_words": "Separated by commas, for example: Python, remote, Berlin. "
            "Highlighting never changes the order."
        }
