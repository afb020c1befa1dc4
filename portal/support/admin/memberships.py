"""Who belongs to which customer, and in which role: found, put in, changed and taken out."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs

from django import forms
from django.contrib import admin, messages
from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.html import format_html
from django.utils.http import urlencode

from portal.accounts.models import Membership
from portal.core.keys import as_key
from portal.members import roles
from portal.support import looking
from portal.support.admin import noted
from portal.support.admin.base import Kept
from portal.support.admin.customers import of_customer

LAST_ADMIN = "An organization needs an admin. Make somebody else one first."
GONE = "Somebody else has taken this person out meanwhile."
OURS = "Our own staff belongs to no customer. To see what a person there sees, look as them."


class PlaceForm(forms.ModelForm[Membership]):
    """Somebody's place: whose and where is said once, the role may change."""

    def clean(self) -> dict[str, Any]:
        values: dict[str, Any] = super().clean() or {}
        user = values.get("user") or (self.instance.user if self.instance.user_id else None)
        if user is not None and (user.is_staff or user.is_superuser):
            self.add_error("user" if "user" in self.fields else "role", OURS)
        return values


@admin.register(Membership)
class MembershipAdmin(Kept):
    """People of customers. An organization that has an admin keeps one, and what somebody did
    outlives their place in it (portal.members.roles).
    """

    form = PlaceForm
    list_display = ("user", "email", "organization", "role", "created_at", "why", "look")
    list_filter = (of_customer("organization"), "role")
    list_select_related = ("user", "organization")
    search_fields = ("user__name", "user__email")
    ordering = ("user__name", "user__email", "pk")
    fields = ("user", "organization", "role")
    autocomplete_fields = ("user", "organization")
    actions = None
    delete_confirmation_template = "admin/support/take_out.html"

    def has_add_permission(self, request: HttpRequest) -> bool:
        return admin.ModelAdmin.has_add_permission(self, request)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return admin.ModelAdmin.has_delete_permission(self, request, obj)

    def get_list_display(self, request: HttpRequest) -> Any:
        may = {"why": "mirror.view_job", "look": looking.MAY}
        return [
            name
            for name in super().get_list_display(request)
            if name not in may or request.user.has_perm(may[name])
        ]

    def get_readonly_fields(self, request: HttpRequest, obj: Membership | None = None) -> Any:
        """With another person in it, a place would hand on what was done there."""
        return ("user", "organization") if obj else ()

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        """The customer whose list led here."""
        kept = parse_qs(request.GET.get("_changelist_filters", ""))
        customer = as_key(kept.get("customer", [""])[-1])
        known = {"organization": str(customer)} if customer is not None else {}
        return {**known, **super().get_changeform_initial_data(request)}

    @admin.display(description="E-mail", ordering="user__email")
    def email(self, member: Membership) -> str:
        return member.user.email

    @admin.display(description="Sees what?")
    def why(self, member: Membership) -> str:
        query = urlencode({"email": member.user.email})
        return _link(f"{reverse('admin:mirror_job_why')}?{query}", "Sees what?", member)

    @admin.display(description="Look")
    def look(self, member: Membership) -> str:
        if member.user.is_staff:
            return "Our own staff"
        return _link(reverse("admin:look_begin", args=[member.pk]), "Look as", member)

    def save_model(self, request: HttpRequest, obj: Membership, form: Any, change: bool) -> None:
        """Who was taken out before goes on with the same place."""
        before = noted.stored(obj, noted.MEMBERSHIP)
        if change:
            roles.change(obj, obj.role)
        else:
            kept = roles.begin(obj.user, obj.organization, role=obj.role)
            obj.pk, obj._state.adding = kept.pk, False
        noted.membership_saved(request, obj, before)

    def delete_model(self, request: HttpRequest, obj: Membership) -> None:
        before = noted.stored(obj, noted.MEMBERSHIP)
        roles.take_out(obj, by=request.user)  # type: ignore[arg-type]  # the admin asks for staff
        noted.membership_gone(request, obj, before)

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        """Nothing hangs on it that would go: a place ends, its row stays."""
        return [str(one) for one in objs], {}, set(), []

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> Any:
        try:
            return super().changeform_view(request, object_id, form_url, extra_context)
        except roles.LastAdmin:
            return self._refused(request, object_id)
        except roles.Gone:
            return self._gone(request)

    def delete_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> Any:
        try:
            return super().delete_view(request, object_id, extra_context)
        except roles.LastAdmin:
            return self._refused(request, object_id)
        except roles.Gone:
            return self._gone(request)

    def _gone(self, request: HttpRequest) -> HttpResponseBase:
        self.message_user(request, GONE, messages.WARNING)
        return redirect("admin:accounts_membership_changelist")

    def _refused(self, request: HttpRequest, object_id: str | None) -> HttpResponseBase:
        self.message_user(request, LAST_ADMIN, messages.ERROR)
        return redirect("admin:accounts_membership_change", object_id)


def _link(url: str, words: str, member: Membership) -> str:
    return format_html(
        '<a href="{}">{}<span class="visually-hidden"> {}</span></a>', url, words, member.user
    )
