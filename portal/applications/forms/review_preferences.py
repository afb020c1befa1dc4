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
            "single_key_shortcuts": "Keys of one letter act",
        }
        help_texts: ClassVar = {
            "highlighted_words": "Parted by commas, for example: Python, remote, Berlin"
        }
