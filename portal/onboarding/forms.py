"""The credential forms. What was pasted is cleaned here; whether it works, Greenhouse says."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from django import forms

from integrations.ats import registry
from portal.core.keys import as_key

# What Harvest API keys look like in public examples [inferred]: it only words a hint.
_LOOKS_LIKE_API_KEY = re.compile(r"[0-9a-f]{32}-\d{1,3}")
_LONG = 16  # characters; a value of two words as long as this was pasted as one
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


class _NotRefilled(forms.TextInput):
    """A field without what was typed: a secret may stand in any field by mistake. A short number,
    as a user ID is, is surely none. The browser's tab remembers the rest (static/js/portal.js).
    """

    def get_context(self, name: str, value: Any, attrs: dict[str, Any] | None) -> dict[str, Any]:
        shown = value if as_key(str(value or "")) is not None else None
        return super().get_context(name, shown, {**(attrs or {}), "data-typed-again": True})


def _same_words(typed: str, name: str) -> bool:
    return " ".join(typed.split()).casefold() == " ".join(name.split()).casefold()


def _pasted(label: str, help_text: str, *, secret: bool, required: bool = True) -> _PastedField:
    kind = forms.PasswordInput if secret else _NotRefilled
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


READY = (
    (
        "may_manage",
        "One of us may manage credentials in Greenhouse: “Can manage ALL organization's API "
        "Credentials”, under their user's Developer permissions.",
    ),
    (
        "site_admin",
        "One of us is a Site Admin in Greenhouse. Greenhouse shows its lists to nobody else.",
    ),
    (
        "same_email",
        "Everybody uses the same e-mail here and in Greenhouse. That is how people are matched.",
    ),
)


class BeginForm(forms.Form):
    """What to have at hand before beginning."""

    ready = forms.MultipleChoiceField(
        label="Is all of this so?",
        choices=READY,
        required=False,
        widget=forms.CheckboxSelectMultiple,
    )


class CredentialForm(forms.Form):
    """A form for one kind of credential, with the fields that the registry names."""

    def __init__(
        self,
        data: Mapping[str, Any] | None = None,
        *,
        kind: registry.Kind,
    ) -> None:
        parted = _parted(data) if data and kind.key == "harvest_oauth" else data
        super().__init__(parted)
        self.kind = kind
        for field in kind.fields:
            self.fields[field.name] = _pasted(
                field.label,
                field.help,
                secret=field.secret,
                required=field.name != "reader_id",
            )

    def clean_reader_id(self) -> str:
        value: str = self.cleaned_data["reader_id"]
        if value and as_key(value) is None:
            raise forms.ValidationError("A Greenhouse user ID has digits only.")
        return value

    def ask_for_another_account(self, name: str) -> None:
        """Offer to connect the other account, for who says so in words."""
        self.fields["another_account"] = forms.CharField(
            label="Connect the other account instead?",
            help_text=f"Then everything that was read of the connected account is deleted first. "
            f"To do that, type {name} here and paste the credential again.",
            required=False,
            widget=_NotRefilled(attrs={"autocomplete": "off"}),
        )

    def another_account(self, name: str) -> bool:
        """Whether the admin said in words that another account is meant."""
        return _same_words(self.data.get("another_account", ""), name)

    def secrets(self) -> dict[str, str]:
        """The values by field name, once the form is valid."""
        return {field.name: self.cleaned_data[field.name] for field in self.kind.fields}


class DisconnectForm(forms.Form):
    """Disconnecting asks for the organization's name."""

    name = forms.CharField(
        label="Organization's name",
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
        error_messages={"required": "Please type the organization's name."},
    )

    def __init__(self, *args: Any, organization: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.organization = organization
        self.fields["name"].help_text = f"Type {organization} to disconnect."

    def clean_name(self) -> str:
        value: str = self.cleaned_data["name"]
        if not _same_words(value, self.organization):
            raise forms.ValidationError(f"This is not the name. Type {self.organization}.")
        return value


def form_for(data: Mapping[str, Any], kind: registry.Kind) -> tuple[registry.Kind, str]:
    """The kind whose form fits what was pasted, and a sentence when that is another than `kind`.

    A secret is never sent back into a page: it is to be pasted once more.
    """
    if kind.key == "harvest_oauth":
        for name in ("client_id", "client_secret"):
            if _LOOKS_LIKE_API_KEY.fullmatch(_INVISIBLE.sub("", str(data.get(name, "")))):
                return registry.KINDS["harvest_key"], (
                    "What you pasted is a Harvest v1 API key, and it belongs here. Please paste "
                    "it once more. Nothing was saved."
                )
    elif kind.key == "harvest_key":
        pasted = str(data.get("api_key", ""))
        words = pasted.split()
        whole = _LOOKS_LIKE_API_KEY.fullmatch("".join(words))
        if len(words) == 2 and not whole and all(len(word) >= _LONG for word in words):
            return registry.KINDS["harvest_oauth"], (
                "What you pasted holds two values: a client ID and a client secret of Harvest v3. "
                "Please paste each into its field. Nothing was saved."
            )
    return kind, ""


def _parted(data: Mapping[str, Any]) -> dict[str, Any]:
    """`client_id` holding two words and no secret: somebody pasted both at once."""
    values = {key: data[key] for key in data}
    words = str(values.get("client_id", "")).split()
    if len(words) == 2 and not str(values.get("client_secret", "")).strip():
        values["client_id"], values["client_secret"] = words
    return values
