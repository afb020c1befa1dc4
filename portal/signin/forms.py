"""Signing in with a password."""

from __future__ import annotations

from typing import Any

from allauth.account.forms import LoginForm
from django import forms

from portal.signin.models import sign_on_for


class AddressForm(forms.Form):
    """Which single sign-on? The address tells."""

    login = forms.EmailField(label="E-mail", widget=forms.EmailInput({"autocomplete": "username"}))


class SignInForm(LoginForm):
    """allauth's form in our words. Refuses a password where single sign-on is required."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # allauth's own field lower-cases beyond ASCII.
        self.fields["login"] = AddressForm().fields["login"]
        password = self.fields["password"]
        password.help_text = ""  # the link to a new password stands below the form
        password.widget.attrs.pop("placeholder", None)

    def clean_login(self) -> str:
        address: str = super().clean_login()
        sign_on = sign_on_for(address)
        if sign_on is not None and sign_on.required:
            raise forms.ValidationError(
                f"{sign_on.organization} signs in with {sign_on.name}: use “Single sign-on” below."
            )
        return address
