from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs

from django import forms
from django.contrib import admin, messages
from django.db.models import Model
from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.html import format_html
from django.utils.http import urlencode

from portal.accounts.models import Membership, Organization, User
from portal.members import memberships
from portal.support.admin import audited_changes
from portal.support.admin.base import NoAddDeleteAdmin, PeopleSearchAdmin
from portal.support.admin.customer_filter import build_customer_filter
from portal.support.impersonation import sessions
from portal.web.id_parsing import parse_id

LAST_ADMIN_MESSAGE = "Every customer needs an admin. Make someone else an admin first."
REMOVED_MESSAGE = "Someone else already removed this person."
STAFF_MESSAGE = "Staff can't be members of a customer. To see what a member sees, use View as."


class MembershipForm(forms.ModelForm[Membership]):
    # Shown once the chosen person turns out to belong to another customer.
    confirmed_user = forms.CharField(required=False, widget=forms.HiddenInput)

    def clean(self) -> dict[str, Any]:
        values: dict[str, Any] = super().clean() or {}
        user = values.get("user") or (self.instance.user if self.instance.user_id else None)
        if user is not None and (user.is_staff or user.is_superuser):
            self.add_error("user" if "user" in self.fields else "role", STAFF_MESSAGE)
        elif self.instance._state.adding and user is not None and values.get("organization"):
            self._ask_about_other_customers(user, values["organization"])
        return values

    def _ask_about_other_customers(self, user: User, organization: Organization) -> None:
        others = memberships.list_other_memberships(user.email, organization)
        if not others or self.cleaned_data.get("confirmed_user") == str(user.pk):
            return
        customers = " and ".join(str(other.organization) for other in others)
        # Bound to the person: another pick asks again.
        self.data = dict(self.data.items()) | {"confirmed_user": str(user.pk)}
        self.add_error(
            "user",
            f"{user} belongs to {customers}. If they work for {organization} as well, save again. "
            "They will switch between the customers in the header.",
        )


@admin.register(Membership)
class MembershipAdmin(PeopleSearchAdmin, NoAddDeleteAdmin):
    """Deleting ends the membership; its row and history stay."""

    form = MembershipForm
    list_display = (
        "user", "email_address", "organization", "role", "created_at",
        "access_check_link", "impersonation_link",
    )  # fmt: skip
    sortable_by = ("user", "email_address", "organization", "role", "created_at")
    list_filter = (build_customer_filter("organization"), "role")
    list_select_related = ("user", "organization")
    search_fields = ("user__search_name", "user__email")
    ordering = ("user__name", "user__email", "pk")
    fields = ("user", "organization", "role", "confirmed_user")
    autocomplete_fields = ("user", "organization")
    actions = None
    delete_confirmation_template = "admin/support/remove_member.html"

    def has_add_permission(self, request: HttpRequest) -> bool:
        return admin.ModelAdmin.has_add_permission(self, request)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return admin.ModelAdmin.has_delete_permission(self, request, obj)

    def get_list_display(self, request: HttpRequest) -> Any:
        required_permissions = {
            "access_check_link": "sync.view_job",
            "impersonation_link": sessions.IMPERSONATE_PERMISSION,
        }
        return [
            name
            for name in super().get_list_display(request)
            if name not in required_permissions or request.user.has_perm(required_permissions[name])
        ]

    def get_fields(self, request: HttpRequest, obj: Model | None = None) -> Any:
        fields = super().get_fields(request, obj)
        return [name for name in fields if name != "confirmed_user"] if obj else fields

    def get_readonly_fields(self, request: HttpRequest, obj: Membership | None = None) -> Any:
        # Another user would inherit the membership's history.
        return ("user", "organization") if obj else ()

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        """Preselect the customer the list was filtered by."""
        list_filters = parse_qs(request.GET.get("_changelist_filters", ""))
        customer = parse_id(list_filters.get("customer", [""])[-1])
        initial = {"organization": str(customer)} if customer is not None else {}
        return {**initial, **super().get_changeform_initial_data(request)}

    @admin.display(description="Email", ordering="user__email")
    def email_address(self, member: Membership) -> str:
        return member.user.email

    @admin.display(description="Access")
    def access_check_link(self, member: Membership) -> str:
        query = urlencode({"email": member.user.email})
        return _format_member_link(
            f"{reverse('admin:sync_job_access_check')}?{query}", "Check access", member
        )

    @admin.display(description="View as")
    def impersonation_link(self, member: Membership) -> str:
        if member.user.is_staff:
            return "Staff"
        return _format_member_link(
            reverse("admin:start_impersonation", args=[member.pk]), "View as", member
        )

    def save_model(self, request: HttpRequest, obj: Membership, form: Any, change: bool) -> None:
        before = audited_changes.load_stored_values(obj, audited_changes.MEMBERSHIP_FIELDS)
        if change:
            memberships.change_role(obj, obj.role)
        else:
            # Resumes the row of a former member.
            membership = memberships.start_membership(obj.user, obj.organization, role=obj.role)
            obj.pk, obj._state.adding = membership.pk, False
        audited_changes.record_membership_change(request, obj, before)

    def delete_model(self, request: HttpRequest, obj: Membership) -> None:
        before = audited_changes.load_stored_values(obj, audited_changes.MEMBERSHIP_FIELDS)
        memberships.remove_member(obj, by=request.user)  # type: ignore[arg-type]  # the admin asks for staff
        audited_changes.record_membership_removal(request, obj, before)

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        # The row stays, so nothing related is deleted.
        return [str(membership) for membership in objs], {}, set(), []

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> Any:
        try:
            return super().changeform_view(request, object_id, form_url, extra_context)
        except memberships.LastAdmin:
            return self._redirect_last_admin(request, object_id)
        except memberships.MemberAlreadyRemoved:
            return self._redirect_removed(request)

    def delete_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> Any:
        try:
            return super().delete_view(request, object_id, extra_context)
        except memberships.LastAdmin:
            return self._redirect_last_admin(request, object_id)
        except memberships.MemberAlreadyRemoved:
            return self._redirect_removed(request)

    def _redirect_removed(self, request: HttpRequest) -> HttpResponseBase:
        self.message_user(request, REMOVED_MESSAGE, messages.WARNING)
        return redirect("admin:accounts_membership_changelist")

    def _redirect_last_admin(self, request: HttpRequest, object_id: str | None) -> HttpResponseBase:
        self.message_user(request, LAST_ADMIN_MESSAGE, messages.ERROR)
        return redirect("admin:accounts_membership_change", object_id)


def _format_member_link(url: str, label: str, member: Membership) -> str:
    return format_html(
        '<a href="{}">{}<span class="visually-hidden"> {}</span></a>', url, label, member.user
    )
