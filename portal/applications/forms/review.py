"""How a person likes to review."""

from __future__ import annotations

from typing import ClassVar

from django import forms

from portal.applications.models import Habits


class HabitsForm(forms.ModelForm):
    """How the person likes to review."""

    class Meta:
        model = Habits
        fields = ("words", "keys")
        labels: ClassVar = {"words": "Words to highlight", "keys": "Keys of one letter act"}
        help_texts: ClassVar = {"words": "Parted by commas, for example: Python, remote, Berlin"}
