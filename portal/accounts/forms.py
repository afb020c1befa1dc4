"""Signing in by e-mail."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.forms import AuthenticationForm


class SignInForm(AuthenticationForm):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.error_messages = {
            "invalid_login": "This e-mail and password do not belong together. Please try again.",
            "inactive": "This account is switched off. Ask an admin of your organization.",
        }
        field = self.fields["username"]
        field.label = "E-mail"
        field.widget.input_type = "email"
        field.widget.attrs["autocomplete"] = "username"
