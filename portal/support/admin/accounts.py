"""People and organizations."""

from __future__ import annotations

from typing import Any, ClassVar

from django.contrib import admin
from django.db.models import Count, QuerySet
from django.http import HttpRequest

from portal.accounts.models import Membership, Organization, User
from portal.signin import addresses
from portal.support.admin.base import WatchedInline


class MembershipInline(admin.TabularInline[Membership, Organization]):
    model = Membership
    extra = 0
    autocomplete_fields = ("user",)


class WatchedMemberships(WatchedInline):
    model = Membership
    fields = ("organization", "role", "created_at")


@admin.register(Organization)
class OrganizationAdmin(admin.ModelAdmin[Organization]):
    """Every customer, with where its connection stands."""

    list_display = ("name", "connection_state", "people", "created_at")
    list_filter = ("connection__state",)
    search_fields = ("name", "slug", "memberships__user__email")
    prepopulated_fields: ClassVar = {"slug": ("name",)}
    readonly_fields = ("created_at",)
    inlines = (MembershipInline,)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Organization]:
        found = super().get_queryset(request).select_related("connection")
        return found.annotate(people=Count("memberships"))

    @admin.display(description="Greenhouse", ordering="connection__state")
    def connection_state(self, organization: Organization) -> str:
        connection = getattr(organization, "connection", None)
        return connection.get_state_display() if connection else "Not connected yet"

    @admin.display(ordering="people")
    def people(self, organization: Any) -> int:
        return int(organization.people)


@admin.register(User)
class UserAdmin(admin.ModelAdmin[User]):
    """People. Passwords are set by the people themselves, so none is shown here."""

    list_display = ("email", "name", "is_active", "is_staff", "last_login")
    list_filter = ("is_staff", "is_active")
    search_fields = ("email", "name")
    fields = (
        "email",
        "email_confirmed_at",
        "name",
        "is_active",
        "is_staff",
        "groups",
        "last_login",
        "date_joined",
    )
    readonly_fields = ("last_login", "date_joined", "email_confirmed_at")
    filter_horizontal = ("groups",)
    inlines = (WatchedMemberships,)

    def get_readonly_fields(self, request: HttpRequest, obj: User | None = None) -> Any:
        """Who may do what in the admin is for superusers to say."""
        if request.user.is_superuser:
            return self.readonly_fields
        return (*self.readonly_fields, "is_staff", "groups")

    def save_model(self, request: HttpRequest, obj: User, form: Any, change: bool) -> None:
        super().save_model(request, obj, form, change)
        if change and "email" in form.changed_data:
            addresses.forget(obj)
