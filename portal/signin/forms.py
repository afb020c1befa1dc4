from __future__ import annotations

from typing import Any, ClassVar

from allauth.account import forms as account_forms
from allauth.mfa.base import forms as code_forms
from allauth.mfa.totp import forms as totp_forms
from django import forms

from integrations.ats.emails import normalize_domain
from portal.core.names.form_fields import NameField
from portal.signin.models import (
    SingleSignOn,
    find_single_sign_on,
    validate_bare_domain,
    validate_https_url,
)
from portal.signin.oidc import normalize_issuer
from portal.signin.password_rules import PASSWORD_RULES


class EmailForm(forms.Form):
    login = forms.EmailField(
        label="Email",
        widget=forms.EmailInput({"autocomplete": "username"}),
        error_messages={"required": "Enter your email."},
    )


class _PlainRequiredErrors(forms.Form):
    """allauth's fields, which say in our words what to enter."""

    _required_errors: ClassVar = {
        "email": "Enter your email.",
        "password": "Enter your password.",
        "code": "Enter a code.",
        "oldpassword": "Enter your current password.",
        "password1": "Enter a new password.",
        "password2": "Enter the new password again.",
    }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name, message in self._required_errors.items():
            if field := self.fields.get(name):
                field.error_messages["required"] = message


class SignInForm(_PlainRequiredErrors, account_forms.LoginForm):
    """Refuses a password where single sign-on is required."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # allauth's own field lowercases beyond ASCII.
        self.fields["login"] = EmailForm().fields["login"]
        password = self.fields["password"]
        password.help_text = ""  # the template links to the password reset
        password.widget.attrs.pop("placeholder", None)

    def clean_login(self) -> str:
        address: str = super().clean_login()
        sign_on = find_single_sign_on(address)
        if sign_on is not None and sign_on.required:
            raise forms.ValidationError(
                f"{sign_on.organization} requires {sign_on.name}. Select “Single sign-on” below."
            )
        return address


class SingleSignOnForm(forms.Form):
    """The customer's sign-in service; the secret is never shown, and empty keeps the stored one."""

    name = NameField(
        label="Name",
        max_length=80,
        help_text="Shown to members, for example “Acme login”.",
        error_messages={"required": "Enter a name."},
    )
    issuer = forms.CharField(
        label="Issuer",
        max_length=300,
        help_text="The address before /.well-known/openid-configuration, with https://.",
        widget=forms.URLInput({"autocomplete": "off", "spellcheck": "false"}),
        error_messages={"required": "Enter the issuer."},
    )
    client_id = forms.CharField(
        label="Client ID",
        max_length=200,
        widget=forms.TextInput({"autocomplete": "off", "spellcheck": "false"}),
        error_messages={"required": "Enter the client ID."},
    )
    client_secret = forms.CharField(
        label="Client secret",
        max_length=500,
        required=False,
        widget=forms.PasswordInput({"autocomplete": "off", "spellcheck": "false"}),
    )

    def __init__(self, data: Any = None, *, sign_on: SingleSignOn | None) -> None:
        self._sign_on = sign_on
        super().__init__(data, initial=_describe_service(sign_on))
        if sign_on is not None:
            self.fields["client_secret"].help_text = "Leave empty to keep the current secret."

    def clean_issuer(self) -> str:
        issuer = normalize_issuer(self.cleaned_data["issuer"])
        validate_https_url(issuer)
        return issuer

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or {}
        if cleaned.get("client_secret") or "issuer" not in cleaned:
            return cleaned
        # The stored secret is never sent to another host than the one it was entered for.
        if self._sign_on is None or self._sign_on.server_url != cleaned["issuer"]:
            self.add_error("client_secret", "Enter the client secret.")
        return cleaned


def _describe_service(sign_on: SingleSignOn | None) -> dict[str, str]:
    if sign_on is None:
        return {}
    return {
        "name": sign_on.name,
        "issuer": sign_on.server_url,
        "client_id": sign_on.client_id,
    }


class DomainForm(forms.Form):
    domain = forms.CharField(
        label="Email domain",
        max_length=200,
        help_text="The part after the @, for example acme.example.",
        widget=forms.TextInput({"autocomplete": "off", "spellcheck": "false"}),
        error_messages={"required": "Enter the email domain."},
    )

    def clean_domain(self) -> str:
        domain = normalize_domain(self.cleaned_data["domain"].strip().removeprefix("@"))
        validate_bare_domain(domain)
        return domain


class _PlainLabels(_PlainRequiredErrors):
    """allauth's password fields in our words, and without placeholders that repeat them."""

    _labels: ClassVar = {
        "oldpassword": "Current password",
        "password1": "New password",
        "password2": "New password, again",
    }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name, label in self._labels.items():
            if field := self.fields.get(name):
                field.label = label
                field.widget.attrs.pop("placeholder", None)
        self.fields["password1"].help_text = PASSWORD_RULES


class ChangePasswordForm(_PlainLabels, account_forms.ChangePasswordForm): ...


class SetPasswordForm(_PlainLabels, account_forms.SetPasswordForm): ...


class ResetPasswordForm(_PlainLabels, account_forms.ResetPasswordKeyForm): ...


class RequestResetForm(_PlainRequiredErrors, account_forms.ResetPasswordForm): ...


class ConfirmPasswordForm(_PlainRequiredErrors, account_forms.ReauthenticateForm): ...


class SignInCodeForm(_PlainRequiredErrors, code_forms.AuthenticateForm): ...


class ConfirmCodeForm(_PlainRequiredErrors, code_forms.ReauthenticateForm): ...


class ActivateCodesForm(_PlainRequiredErrors, totp_forms.ActivateTOTPForm): ...
