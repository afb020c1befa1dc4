from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django import forms
from django.forms.utils import ErrorDict

from integrations.greenhouse import credential_kinds
from portal.onboarding.paste_hints import WHITESPACE
from portal.web.id_parsing import parse_id

_MAX_LENGTH = 500


class _PastedField(forms.CharField):
    def to_python(self, value: Any) -> str:
        return WHITESPACE.sub("", value or "")

    def validate(self, value: str) -> None:
        super().validate(value)
        unexpected = sorted({c for c in value if not (c.isascii() and c.isprintable())})
        if unexpected:
            shown = " ".join(
                f"“{c}”" if c.isprintable() else "an unprintable character" for c in unexpected
            )
            raise forms.ValidationError(
                f"Contains characters that Greenhouse credentials don't have ({shown}). "
                "Copy it again."
            )


class _SecretSafeInput(forms.TextInput):
    """Never echoes a value that may be a secret; a short number, such as a user ID, is not one."""

    def get_context(self, name: str, value: Any, attrs: dict[str, Any] | None) -> dict[str, Any]:
        shown = value if parse_id(str(value or "")) is not None else None
        return super().get_context(name, shown, attrs)


def _matches_name(typed: str, name: str) -> bool:
    return " ".join(typed.split()).casefold() == " ".join(name.split()).casefold()


def _lower_first_word(label: str) -> str:
    """A label inside a sentence; names such as Harvest keep their capital."""
    return label if label.startswith("Harvest") else label[:1].lower() + label[1:]


def _build_pasted_field(
    label: str, help_text: str, *, secret: bool, required: bool = True
) -> _PastedField:
    kind = forms.PasswordInput if secret else _SecretSafeInput
    return _PastedField(
        label=label,
        help_text=help_text,
        required=required,
        max_length=_MAX_LENGTH,
        widget=kind(
            attrs={
                "autocomplete": "off",
                "spellcheck": "false",
                "autocapitalize": "off",
            }
        ),
        error_messages={"required": f"Paste the {_lower_first_word(label)}."},
    )


REQUIREMENTS = (
    (
        "may_manage",
        "Someone on our team can manage API credentials in Greenhouse. Their user needs the "
        "Developer permission “Can manage ALL organization's API Credentials”.",
    ),
    (
        "site_admin",
        "Someone on our team is a Site Admin in Greenhouse. Greenhouse shows its lists only to "
        "Site Admins.",
    ),
    (
        "same_email",
        "Everyone uses the same email here and in Greenhouse. That's how people are matched.",
    ),
)


class RequirementsForm(forms.Form):
    ready = forms.MultipleChoiceField(
        label="Before you start, check that",
        choices=REQUIREMENTS,
        required=False,
        widget=forms.CheckboxSelectMultiple,
    )


class CredentialForm(forms.Form):
    """The fields of one kind of credential, from the registry."""

    def __init__(
        self,
        data: Mapping[str, Any] | None = None,
        *,
        kind: credential_kinds.CredentialKind,
    ) -> None:
        cleaned = _split_pasted_pair(data) if data and kind.key == "harvest_oauth" else data
        super().__init__(cleaned)
        self.kind = kind
        for field in kind.fields:
            self.fields[field.name] = _build_pasted_field(
                field.label,
                field.help,
                secret=field.secret,
                required=field.name != "reader_id",
            )

    def clean_reader_id(self) -> str:
        value: str = self.cleaned_data["reader_id"]
        if value and parse_id(value) is None:
            raise forms.ValidationError("Enter a Greenhouse user ID, such as 4080123: only digits.")
        return value

    def show_refusal(self) -> None:
        """Let an empty form take the errors of an earlier one."""
        self.is_bound, self._errors = True, ErrorDict()
        self.cleaned_data: dict[str, Any] = {}

    def add_account_change_field(self, name: str) -> None:
        """Offer to switch accounts; the admin confirms by typing the organization's name."""
        self.fields["another_account"] = forms.CharField(
            label="Connect the other account instead",
            help_text="All synced data of the connected account is deleted and pending rejections "
            f"are canceled first. To continue, type {name} and test again.",
            required=False,
            widget=_SecretSafeInput(attrs={"autocomplete": "off"}),
        )

    def confirms_account_change(self, name: str) -> bool:
        return _matches_name(self.data.get("another_account", ""), name)

    def get_secrets(self) -> dict[str, str]:
        return {field.name: self.cleaned_data[field.name] for field in self.kind.fields}


class DisconnectForm(forms.Form):
    name = forms.CharField(
        label="Organization's name",
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
        error_messages={"required": "Enter the organization's name."},
    )

    def __init__(self, *args: Any, organization: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.organization = organization
        self.fields["name"].help_text = f"Type {organization} to disconnect."

    def clean_name(self) -> str:
        value: str = self.cleaned_data["name"]
        if not _matches_name(value, self.organization):
            raise forms.ValidationError(f"Enter {self.organization} exactly as shown.")
        return value


def _split_pasted_pair(data: Mapping[str, Any]) -> dict[str, Any]:
    """Client ID and secret pasted together into `client_id`."""
    values = {key: data[key] for key in data}
    parts = str(values.get("client_id", "")).split()
    if len(parts) == 2 and not str(values.get("client_secret", "")).strip():
        values["client_id"], values["client_secret"] = parts
    return values


class FixLinkRecipientForm(forms.Form):
    email = forms.EmailField(
        label="Colleague's email",
        max_length=254,
        error_messages={"required": "Enter an email address."},
    )
