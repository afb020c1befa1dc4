from __future__ import annotations

from typing import Any

from django import forms
from django.contrib.auth.password_validation import (
    password_validators_help_texts,
    validate_password,
)

from portal.accounts.models import Membership, User
from portal.core.names import form_fields
from portal.members.models import Invitation


class InviteForm(forms.Form):
    email = form_fields.EmailField(
        label="Email",
        max_length=Invitation._meta.get_field("email").max_length,
        help_text="The address this person has in Greenhouse: that is how they are matched.",
        widget=forms.EmailInput(attrs={"autocomplete": "off"}),
        error_messages={"required": "Please enter the address."},
    )
    role = forms.ChoiceField(
        label="Role",
        choices=Membership.Role.choices,
        initial=Membership.Role.RECRUITER,
        help_text="Admins set Greenhouse up and invite people. Recruiters work on applications.",
    )


class AcceptForm(forms.Form):
    name = form_fields.NameField(
        label="Your name",
        max_length=150,
        widget=forms.TextInput(attrs={"autocomplete": "name"}),
        error_messages={"required": "Please enter your name."},
    )
    password = forms.CharField(
        label="Choose a password",
        help_text=" ".join(password_validators_help_texts()),
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
        error_messages={"required": "Please choose a password."},
    )

    def __init__(self, *args: Any, invitation: Invitation, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.invitation = invitation

    def clean(self) -> dict[str, Any]:
        values = super().clean() or {}
        user = User(email=self.invitation.email, name=values.get("name", ""))
        if "password" in values:
            try:
                validate_password(values["password"], user)
            except forms.ValidationError as error:
                self.add_error("password", error)
        return values
