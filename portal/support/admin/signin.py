"""Single sign-on is configured by operators: no customer chooses a host the portal calls."""

from __future__ import annotations

from typing import Any

from allauth.mfa.models import Authenticator
from allauth.socialaccount.models import SocialAccount, SocialApp, SocialToken
from allauth.usersessions.models import UserSession
from django import forms
from django.contrib import admin

from portal.signin.models import SingleSignOn, SingleSignOnDomain

# allauth's admins would expose secrets.
for _model in (Authenticator, SocialAccount, SocialApp, SocialToken, UserSession):
    admin.site.unregister(_model)


class SingleSignOnForm(forms.ModelForm[SingleSignOn]):
    """The secret is never shown; empty keeps the stored one."""

    new_secret = forms.CharField(
        label="client secret",
        required=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "off"}),
        help_text="Leave empty to keep the current secret. It's never shown.",
    )

    class Meta:
        model = SingleSignOn
        fields = (
            "organization",
            "name",
            "server_url",
            "client_id",
            "required",
            "addresses_verified",
            "enabled",
        )

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or {}
        if self.instance._state.adding and not cleaned.get("new_secret"):
            self.add_error("new_secret", "Enter the client secret.")
        return cleaned

    def save(self, commit: bool = True) -> SingleSignOn:
        if secret := self.cleaned_data["new_secret"]:
            self.instance.client_secret = secret
        return super().save(commit)


class DomainInline(admin.TabularInline[SingleSignOnDomain, SingleSignOn]):
    model = SingleSignOnDomain
    extra = 1


@admin.register(SingleSignOn)
class SingleSignOnAdmin(admin.ModelAdmin[SingleSignOn]):
    form = SingleSignOnForm
    list_display = (
        "organization", "name", "server_url", "required", "addresses_verified", "enabled",
    )  # fmt: skip
    sortable_by = ("organization", "name", "required", "enabled")
    list_filter = ("enabled", "required")
    search_fields = ("organization__name", "name", "domains__domain")
    list_select_related = ("organization",)
    autocomplete_fields = ("organization",)
    inlines = (DomainInline,)
