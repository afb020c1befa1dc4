from __future__ import annotations

from typing import Any

from allauth.account.forms import LoginForm
from django import forms

from portal.signin.models import find_single_sign_on


class EmailForm(forms.Form):
    login = forms.EmailField(label="Email", widget=forms.EmailInput({"autocomplete": "username"}))


class SignInForm(LoginForm):
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
