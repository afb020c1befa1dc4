"""The credential forms. What was pasted is cleaned here; whether it works, Greenhouse says."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from django import forms

from integrations.ats import registry

# What Harvest API keys look like in public examples [inferred]: it only words a hint.
_LOOKS_LIKE_API_KEY = re.compile(r"[0-9a-f]{32}-\d{1,3}")
_INVISIBLE = re.compile(r"[\s\u200b\u200c\u200d\u2060\ufeff]+")
_MAX = 500


class _PastedField(forms.CharField):
    """A pasted credential: line breaks and blanks from copying are taken out, the rest checked."""

    def to_python(self, value: Any) -> str:
        return _INVISIBLE.sub("", value or "")

    def validate(self, value: str) -> None:
        super().validate(value)
        strange = sorted({c for c in value if not (c.isascii() and c.isprintable())})
        if strange:
            shown = " ".join(f"“{c}”" if c.isprintable() else "an unprintable one" for c in strange)
            raise forms.ValidationError(
                f"This holds characters that no Greenhouse credential has ({shown}). "
                "Please copy it again."
            )


def _pasted(label: str, help_text: str, *, secret: bool, required: bool = True) -> _PastedField:
    kind = forms.PasswordInput if secret else forms.TextInput
    return _PastedField(
        label=label,
        help_text=help_text,
        required=required,
        max_length=_MAX,
        widget=kind(
            attrs={
                "autocomplete": "off",
                "spellcheck": "false",
                "autocapitalize": "off",
            }
        ),
        error_messages={"required": f"Please paste the {label[:1].lower()}{label[1:]}."},
    )


class CredentialForm(forms.Form):
    """A form for one kind of credential, with the fields that the registry names."""

    def __init__(self, data: Mapping[str, Any] | None = None, *, kind: registry.Kind) -> None:
        super().__init__(_parted(data) if data and kind.key == "harvest_oauth" else data)
        self.kind = kind
        for field in kind.fields:
            self.fields[field.name] = _pasted(
                field.label,
                field.help,
                secret=field.secret,
                required=field.name != "reader_id",
            )

    def clean_client_id(self) -> str:
        value: str = self.cleaned_data["client_id"]
        if _LOOKS_LIKE_API_KEY.fullmatch(value):
            raise forms.ValidationError(
                "This looks like a Harvest v1 API key. It belongs under “API key (v1)”."
            )
        return value

    def clean_reader_id(self) -> str:
        value: str = self.cleaned_data["reader_id"]
        if value and not (value.isdecimal() and len(value) < 19):
            raise forms.ValidationError("A Greenhouse user ID has digits only.")
        return value

    def secrets(self) -> dict[str, str]:
        """The values by field name, once the form is valid."""
        return {field.name: self.cleaned_data[field.name] for field in self.kind.fields}


def _parted(data: Mapping[str, Any]) -> dict[str, Any]:
    """`client_id` holding two words and no secret: somebody pasted both at once."""
    values = {key: data[key] for key in data}
    words = str(values.get("client_id", "")).split()
    if len(words) == 2 and not str(values.get("client_secret", "")).strip():
        values["client_id"], values["client_secret"] = words
    return values
