"""Preferences for working with applications, and for reviews."""

from __future__ import annotations

from typing import Any, ClassVar

from django import forms
from django.conf import settings

from portal.applications.models import ActionPreferences, ReviewPreferences


class ActionPreferencesForm(forms.ModelForm):
    class Meta:
        model = ActionPreferences
        fields = ("undo_seconds", "compact_rows")
        labels: ClassVar = {
            "undo_seconds": "Time to undo",
            "compact_rows": "Compact rows on requisitions",
        }
        help_texts: ClassVar = {
            "undo_seconds": "Rejections and bulk actions wait this long before they are sent. "
            "The time stops while the keyboard is on Undo, for up to 10 minutes."
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field: Any = self.fields["undo_seconds"]
        default_label = f"Default ({settings.REJECT_UNDO_SECONDS:g} seconds)"
        field.choices = [("", default_label), *ActionPreferences.UndoSeconds.choices]
        field.hide_optional = True


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
