from __future__ import annotations

from typing import Any

from django import forms
from django.core.exceptions import ValidationError

from portal.web.id_parsing import parse_id


class IdField(forms.CharField):
    """A record's id in a form: positive, and one that a database can hold. None if empty."""

    def clean(self, value: Any) -> int | None:
        text = super().clean(value)
        if not text:
            return None
        record_id = parse_id(text)
        if record_id is None:
            raise ValidationError("Enter the ID of a record.", code="invalid")
        return record_id
