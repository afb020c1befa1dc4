from __future__ import annotations

from typing import Any, ClassVar

from allauth.account import forms as account_forms
from django import forms

from portal.signin.models import find_single_sign_on


class EmailForm(forms.Form):
    login = forms.EmailField(label="Email", widget=forms.EmailInput({"autocomplete": "username"}))


class SignInForm(account_forms.LoginForm):
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


class _PlainLabels(forms.Form):
    """allauth's password fields with our labels, and without placeholders that repeat them."""

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


class ChangePasswordForm(_PlainLabels, account_forms.ChangePasswordForm): ...


class SetPasswordForm(_PlainLabels, account_forms.SetPasswordForm): ...


class ResetPasswordForm(_PlainLabels, account_forms.ResetPasswordKeyForm): ...
