from __future__ import annotations

from typing import Any

from django import forms
from django.contrib.auth.password_validation import validate_password

from portal.accounts.models import Membership, Organization, User
from portal.core.names import form_fields
from portal.members import memberships
from portal.members.models import Invitation
from portal.signin.password_rules import PASSWORD_RULES


class InviteForm(forms.Form):
    email = form_fields.EmailField(
        label="Email",
        max_length=Invitation._meta.get_field("email").max_length,
        help_text="Use their Greenhouse email, so we can match them.",
        widget=forms.EmailInput(attrs={"autocomplete": "off"}),
        error_messages={"required": "Enter an email."},
    )
    role = forms.ChoiceField(
        label="Role",
        choices=Membership.Role.choices,
        initial=Membership.Role.RECRUITER,
        help_text="Admins set up Greenhouse and invite people. Recruiters work on applications.",
        error_messages={"required": "Select a role."},
    )
    # The address for which the reader was told that it belongs to another company, too.
    confirmed_email = forms.CharField(required=False, widget=forms.HiddenInput)

    def __init__(self, data: Any, organization: Organization) -> None:
        super().__init__(data)
        self.organization = organization
        self.needs_confirmation = False

    def clean(self) -> dict[str, Any]:
        values: dict[str, Any] = super().clean() or {}
        email = values.get("email", "")
        if (
            email
            and values.get("confirmed_email") != email
            and memberships.list_other_memberships(email, self.organization)
        ):
            self.needs_confirmation = True
            self.data = dict(self.data.items()) | {"confirmed_email": email}
            self.add_error(
                "email",
                f"{email} already uses Inbound Talent with another company. If this is the right "
                "person, select “Invite anyway”. They choose whether to join.",
            )
        return values


class AcceptForm(forms.Form):
    name = form_fields.NameField(
        label="Your name",
        max_length=150,
        widget=forms.TextInput(attrs={"autocomplete": "name"}),
        error_messages={"required": "Enter your name."},
    )
    password = forms.CharField(
        label="Choose a password",
        help_text=PASSWORD_RULES,
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
        error_messages={"required": "Choose a password."},
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
