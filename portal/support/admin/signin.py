"""Single sign-on: operators configure it, or approve what customers' admins ask for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from allauth.mfa.models import Authenticator
from allauth.socialaccount.models import SocialAccount, SocialApp, SocialToken
from allauth.usersessions.models import UserSession
from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse

from portal.accounts.models import User
from portal.signin import sso_setup
from portal.signin.models import SignOnRequest, SingleSignOn, SingleSignOnDomain
from portal.support.admin.base import ReadOnlyAdmin

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


@admin.register(SignOnRequest)
class SignOnRequestAdmin(ReadOnlyAdmin):
    """What customers' admins ask for; operators decide."""

    list_display = (
        "organization", "subject", "issuer", "state", "requested_by", "requested_at",
        "decided_by", "decided_at",
    )  # fmt: skip
    list_display_links = None
    sortable_by = ("state", "requested_at", "decided_at")
    list_filter = ("state", "kind")
    list_select_related = ("single_sign_on__organization", "requested_by", "decided_by")
    search_fields = ("single_sign_on__organization__name", "domain")
    ordering = ("-state", "requested_at")  # "requested" first
    actions = ("approve", "decline")
    list_note = (
        "Once approved, the customer's sign-in service can sign in everyone with these addresses. "
        "Approve a domain only after you have confirmed that the customer owns it. Accept "
        "addresses without the claim only if the customer assigns every address of its domains."
    )

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        context = {"list_note": self.list_note, **(extra_context or {})}
        return super().changelist_view(request, context)

    @admin.display(description="customer")
    def organization(self, row: SignOnRequest) -> str:
        return str(row.single_sign_on.organization)

    @admin.display(description="asks for")
    def subject(self, row: SignOnRequest) -> str:
        return str(row)

    @admin.display(description="issuer")
    def issuer(self, row: SignOnRequest) -> str:
        return row.single_sign_on.server_url

    def has_decide_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("signin.change_signonrequest")

    @admin.action(description="Approve", permissions=["decide"])
    def approve(self, request: HttpRequest, rows: QuerySet[SignOnRequest]) -> None:
        self._decide_each(request, rows, sso_setup.approve_request, "approved")

    @admin.action(description="Decline", permissions=["decide"])
    def decline(self, request: HttpRequest, rows: QuerySet[SignOnRequest]) -> None:
        self._decide_each(request, rows, sso_setup.decline_request, "declined")

    def _decide_each(
        self,
        request: HttpRequest,
        rows: QuerySet[SignOnRequest],
        decide: Callable[[SignOnRequest, sso_setup.Editor], bool],
        done: str,
    ) -> None:
        editor = sso_setup.Editor(cast(User, request.user), request)
        decided = 0
        for row in rows.select_related("single_sign_on__organization"):
            try:
                decided += decide(row, editor)
            except sso_setup.DomainTaken:
                text = f"{row.domain} belongs to another customer's single sign-on. Not approved."
                self.message_user(request, text, messages.ERROR)
        count = len(rows)
        text = f"{decided} of {count} request{'' if count == 1 else 's'} {done}."
        self.message_user(request, text, messages.SUCCESS if decided else messages.WARNING)
