from __future__ import annotations

from typing import Any

from django import forms
from django.core.exceptions import ValidationError

from integrations.ats.emails import is_lookalike_email
from portal.core.names.text import clean_name, is_single_line, is_visible

LOOKALIKE_EMAIL = "Type this address with plain letters: some of these only look like them."


class EmailField(forms.EmailField):
    """Refuses line breaks and look-alikes of other addresses."""

    def to_python(self, value: Any) -> Any:
        _check_single_line(value, "Enter the address on one line.")
        return super().to_python(value)

    def validate(self, value: Any) -> None:
        super().validate(value)
        if is_lookalike_email(value or ""):
            raise ValidationError(LOOKALIKE_EMAIL)


class NameField(forms.CharField):
    """Refuses line breaks, characters that turn the text around, and invisible names."""

    def to_python(self, value: Any) -> str:
        _check_single_line(value, "Enter the name on one line, without control characters.")
        return clean_name(super().to_python(value) or "")

    def validate(self, value: Any) -> None:
        super().validate(value)
        if value and not is_visible(value):
            raise ValidationError("Enter a name with letters that can be seen.")


def _check_single_line(value: Any, message: str) -> None:
    if isinstance(value, str) and not is_single_line(value):
        raise ValidationError(message)
