"""Accounts and organizations. Who belongs where: memberships.py."""

from __future__ import annotations

from typing import Any, ClassVar

from django.contrib import admin
from django.db.models import F, Q, QuerySet
from django.http import HttpRequest
from django.urls import path, reverse
from django.utils.html import format_html

from portal.accounts.models import Membership, Organization, User
from portal.signin import addresses
from portal.support import board
from portal.support.admin import noted
from portal.support.admin.base import Urgent, WatchedInline
from portal.support.pages import customer, fix_link, helping
from portal.support.roles import meets_people


class WatchedMemberships(WatchedInline):
    model = Membership
    fields = ("organization", "role", "created_at")
    show_change_link = True


class Attention(admin.SimpleListFilter):
    """Who needs somebody, in words."""

    title = "attention"
    parameter_name = "attention"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [
            ("act", "Somebody must act"),
            ("stalled", "Set-up stands still"),
            ("issues", "Open issues"),
            ("none", "All is well"),
        ]

    def queryset(self, request: HttpRequest, found: QuerySet[Organization]) -> Any:
        wanted: dict[str, Q] = {
            "act": Q(attention=3),
            "stalled": Q(stalled=True),
            "issues": Q(open_issues__gt=0),
            "none": Q(attention=0),
        }
        return found.filter(wanted[self.value() or ""]) if self.value() in wanted else found


class Board(Urgent):
    """The list of customers, each row with how that customer stands."""

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        self.result_list = list(self.result_list)
        found = board.standings(self.result_list)
        for organization in self.result_list:
            organization.standing = found[organization.pk]


@admin.register(Organization)
class OrganizationAdmin(admin.ModelAdmin[Organization]):
    """The board: every customer, those who need somebody first."""

    list_display = (
        "customer",
        "health",
        "connection_state",
        "step",
        "last_good_sync",
        "number_of_issues",
        "unmatched",
        "missing",
        "failures",
    )
    list_display_links = None  # the name leads to the customer's page, not to the form
    list_filter = (Attention, "connection__state")
    search_fields = ("name", "slug", "memberships__user__email")  # how: get_search_results
    list_per_page = 50
    urgency = ("-attention", "since", "pk")
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER
    prepopulated_fields: ClassVar = {"slug": ("name",)}
    readonly_fields = ("created_at",)

    def save_model(self, request: HttpRequest, obj: Organization, form: Any, change: bool) -> None:
        before = noted.stored(obj, noted.ORGANIZATION)
        super().save_model(request, obj, form, change)
        noted.organization_saved(request, obj, before)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Organization]:
        return board.with_counts(board.with_attention(super().get_queryset(request)))

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Organization], search_term: str
    ) -> tuple[QuerySet[Organization], bool]:
        """By name or by a person's address. No row twice: DISTINCT would work out every column."""
        for word in search_term.split():
            meant = Q(name__icontains=word) | Q(slug__icontains=word)
            if meets_people(request):
                people = Membership.objects.filter(user__email__icontains=word)
                meant |= Q(pk__in=people.values("organization"))
            queryset = queryset.filter(meant)
        return queryset, False

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[Board]:
        return Board

    def get_urls(self) -> list[Any]:
        def at(route: str, view: Any, name: str) -> Any:
            return path(
                route, self.admin_site.admin_view(view), name=f"accounts_organization_{name}"
            )

        return [
            at("<int:organization_id>/desk/", customer.customer, "desk"),
            at("<int:organization_id>/do/<slug:key>/", helping.do, "do"),
            at("<int:organization_id>/refresh/", helping.refresh, "refresh"),
            at("<int:organization_id>/bundle/", helping.download, "bundle"),
            at("<int:organization_id>/fix-link/", fix_link.fix_link, "fix_link"),
            at("<int:organization_id>/fix-link/<int:link_id>/", fix_link.revoke, "revoke_link"),
            at("<int:organization_id>/invitations/<int:invitation_id>/", helping.resend, "resend"),
            *super().get_urls(),
        ]

    @admin.display(description="Customer", ordering="name")
    def customer(self, organization: Organization) -> str:
        return format_html(
            '<a class="desk-name" href="{}">{}</a>',
            reverse("admin:accounts_organization_desk", args=[organization.pk]),
            organization.name,
        )

    @admin.display(description="How it stands", ordering="attention")
    def health(self, organization: Any) -> str:
        standing = organization.standing
        words = {"bad": "Act", "warn": "Look", "good": "Well", "off": "Quiet"}[standing.tone]
        return format_html(
            '<span class="desk-pill desk-{}">{}</span> {}', standing.tone, words, standing.health
        )

    @admin.display(description="State", ordering="state")
    def connection_state(self, organization: Any) -> str:
        return str(organization.standing.state_words)

    @admin.display(description="Set-up stands at", ordering="since")
    def step(self, organization: Any) -> str:
        standing = organization.standing
        return f"{standing.step}, since {standing.since:%-d %b}" if standing.step else "Done"

    @admin.display(description="Last good sync", ordering=F("last_good").asc(nulls_first=True))
    def last_good_sync(self, organization: Any) -> str:
        standing = organization.standing
        if standing.last_good is None:
            return "Never"
        ago = board.ago(standing.last_good)
        return f"{ago}, late" if standing.late else ago

    @admin.display(description="Issues", ordering="open_issues")
    def number_of_issues(self, organization: Any) -> int:
        return len(organization.standing.issues)

    @admin.display(description="Unmatched", ordering="unmatched")
    def unmatched(self, organization: Any) -> int:
        return int(organization.standing.unmatched)

    @admin.display(description="Permissions missing", ordering="missing")
    def missing(self, organization: Any) -> int:
        return int(organization.standing.missing)

    @admin.display(description="Failed today", ordering="failures")
    def failures(self, organization: Any) -> int:
        return int(organization.standing.failures)


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

    def has_change_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        """Who can change a colleague's address can have a new password sent there, and be them."""
        ours = obj is not None and (obj.is_staff or obj.is_superuser)
        may = super().has_change_permission(request, obj)
        erased = obj is not None and obj.erased_at is not None  # nobody is to come back as them
        return may and not erased and (not ours or bool(request.user.is_superuser))

    def get_readonly_fields(self, request: HttpRequest, obj: User | None = None) -> Any:
        """Who may do what in the admin is for superusers to say."""
        if request.user.is_superuser:
            return self.readonly_fields
        return (*self.readonly_fields, "is_staff", "groups")

    def save_model(self, request: HttpRequest, obj: User, form: Any, change: bool) -> None:
        before = noted.stored(obj, noted.PERSON)
        super().save_model(request, obj, form, change)
        if change and "email" in form.changed_data:
            addresses.forget(obj)
        noted.person_saved(request, obj, before)
