from __future__ import annotations

from typing import Any, ClassVar

from django import forms
from django.contrib import admin
from django.db.models import F, Q, QuerySet
from django.http import HttpRequest
from django.urls import path, reverse
from django.utils.html import format_html

from portal.accounts.models import Membership, Organization, User
from portal.core.names.search_keys import match_name
from portal.members import memberships
from portal.signin import email_confirmation
from portal.support.access.roles import can_see_people
from portal.support.actions import action_pages, bulk_actions, customer_actions, fix_link_page
from portal.support.admin import audited_changes
from portal.support.admin.base import PeopleSearchAdmin, ReadOnlyInline, UrgencyChangeList
from portal.support.customers import (
    customer_status,
    freshness_summary,
    overview,
    saved_filters,
    summary_page,
)
from portal.sync.service_level.report import build_outside_subquery, get_allowed_minutes


class MembershipInline(ReadOnlyInline):
    model = Membership
    fields = ("organization", "role", "created_at")
    show_change_link = True


class AttentionFilter(admin.SimpleListFilter):
    title = "attention"
    parameter_name = "attention"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [
            ("act", "Action needed"),
            ("stalled", "Setup stalled"),
            ("issues", "Open issues"),
            ("none", "No issues"),
        ]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Organization]) -> Any:
        criteria: dict[str, Q] = {
            "act": Q(attention=3),
            "stalled": Q(stalled=True),
            "issues": Q(open_issues__gt=0),
            "none": Q(attention=0),
        }
        value = self.value() or ""
        return queryset.filter(criteria[value]) if value in criteria else queryset


class OwnerFilter(admin.SimpleListFilter):
    title = "owner"
    parameter_name = "owner"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("mine", "Assigned to me"), ("none", "No owner")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Organization]) -> Any:
        match self.value():
            case "mine":
                return queryset.filter(owner=request.user.pk)
            case "none":
                return queryset.filter(owner=None)
            case _:
                return queryset


class FreshnessFilter(admin.SimpleListFilter):
    title = "data freshness, last 30 days"
    parameter_name = "freshness"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("used_up", "Below what we promise"), ("left", "As promised")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Organization]) -> Any:
        allowed_minutes = get_allowed_minutes()
        criteria = {
            "used_up": Q(minutes_outside__gt=allowed_minutes),
            "left": Q(minutes_outside__lte=allowed_minutes),
        }
        value = self.value() or ""
        return queryset.filter(criteria[value]) if value in criteria else queryset


class OrganizationChangeList(UrgencyChangeList):
    """Attaches each customer's status to its row."""

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        self.result_list = list(self.result_list)
        statuses = overview.get_customer_statuses(self.result_list)
        for organization in self.result_list:
            organization.customer_status = statuses[organization.pk]


@admin.register(Organization)
class OrganizationAdmin(admin.ModelAdmin[Organization]):
    """Customers, most urgent first."""

    list_display = (
        "customer_link",
        "health_summary",
        "owner_name",
        "last_good_sync",
        "within_promise",
        "issue_count",
        "unmatched_count",
        "missing_permissions",
        "failed_actions",
    )
    list_display_links = None  # the name links to the customer's summary, not to the form
    list_filter = (AttentionFilter, OwnerFilter, FreshnessFilter, "connection__state")
    search_fields = ("name", "slug", "memberships__user__email")  # see get_search_results
    list_per_page = 50
    urgency = ("-attention", "since", "pk")
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER
    prepopulated_fields: ClassVar = {"slug": ("name",)}
    fields = ("name", "slug", "owner", "created_at")
    readonly_fields = ("created_at",)
    actions = ("sync_now", "check_permissions", "assign_owner")
    action_form = bulk_actions.OwnerActionForm

    def has_help_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm(customer_actions.HELP_PERMISSION)

    @admin.action(description="Sync now", permissions=["help"])
    def sync_now(self, request: HttpRequest, queryset: QuerySet[Organization]) -> None:
        bulk_actions.run_for_customers(request, queryset, customer_actions.CUSTOMER_ACTIONS["sync"])

    @admin.action(description="Check permissions", permissions=["help"])
    def check_permissions(self, request: HttpRequest, queryset: QuerySet[Organization]) -> None:
        action = customer_actions.CUSTOMER_ACTIONS["check"]
        bulk_actions.run_for_customers(request, queryset, action)

    @admin.action(description="Assign owner", permissions=["help"])
    def assign_owner(self, request: HttpRequest, queryset: QuerySet[Organization]) -> None:
        bulk_actions.assign_owner(request, queryset)

    def formfield_for_foreignkey(self, db_field: Any, request: Any, **kwargs: Any) -> Any:
        if db_field.name == "owner":
            kwargs["queryset"] = bulk_actions.list_possible_owners()
        return super().formfield_for_foreignkey(db_field, request, **kwargs)

    def formfield_for_dbfield(self, db_field: Any, request: Any, **kwargs: Any) -> Any:
        field = super().formfield_for_dbfield(db_field, request, **kwargs)
        if field and db_field.name == "owner":
            field.widget.can_view_related = field.widget.can_add_related = False
            field.widget.can_change_related = field.widget.can_delete_related = False
        return field

    def save_model(self, request: HttpRequest, obj: Organization, form: Any, change: bool) -> None:
        before = audited_changes.load_stored_values(obj, audited_changes.ORGANIZATION_FIELDS)
        super().save_model(request, obj, form, change)
        audited_changes.record_organization_change(request, obj, before)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Organization]:
        customers = (
            super()
            .get_queryset(request)
            .annotate(minutes_outside=build_outside_subquery("connection__pk"))
        )
        return overview.annotate_counts(overview.annotate_attention(customers))

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Organization], search_term: str
    ) -> tuple[QuerySet[Organization], bool]:
        # Subqueries instead of joins: DISTINCT would compute every annotation.
        for word in search_term.split():
            criteria = Q(name__icontains=word) | Q(slug__icontains=word)
            if can_see_people(request):
                people = Membership.objects.filter(
                    Q(user__email__icontains=word) | match_name("user__search_name", word)
                )
                criteria |= Q(pk__in=people.values("organization"))
            queryset = queryset.filter(criteria)
        return queryset, False

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> Any:
        context = saved_filters.build_context(request)
        return super().changelist_view(request, {**(extra_context or {}), **context})

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[OrganizationChangeList]:
        return OrganizationChangeList

    def get_urls(self) -> list[Any]:
        def build_path(route: str, view: Any, name: str) -> Any:
            return path(
                route, self.admin_site.admin_view(view), name=f"accounts_organization_{name}"
            )

        return [
            build_path("<int:organization_id>/summary/", summary_page.summary_page, "summary"),
            build_path(
                "<int:organization_id>/actions/<slug:key>/", action_pages.run_action, "run_action"
            ),
            build_path(
                "<int:organization_id>/refresh-job/", action_pages.refresh_job, "refresh_job"
            ),
            build_path(
                "<int:organization_id>/diagnostic-bundle/",
                action_pages.download_bundle,
                "diagnostic_bundle",
            ),
            build_path("<int:organization_id>/fix-link/", fix_link_page.fix_link_page, "fix_link"),
            build_path(
                "<int:organization_id>/fix-link/<int:link_id>/",
                fix_link_page.revoke_fix_link,
                "revoke_fix_link",
            ),
            build_path(
                "<int:organization_id>/invitations/<int:invitation_id>/",
                action_pages.resend_invitation,
                "resend_invitation",
            ),
            *super().get_urls(),
        ]

    @admin.display(description="Customer", ordering="name")
    def customer_link(self, organization: Organization) -> str:
        return format_html(
            '<a class="support-name" href="{}">{}</a>',
            reverse("admin:accounts_organization_summary", args=[organization.pk]),
            organization.name,
        )

    @admin.display(description="Status", ordering="attention")
    def health_summary(self, organization: Any) -> str:
        status = organization.customer_status
        return format_html(
            '<span class="support-pill support-{}">{}</span> {}',
            status.tone,
            status.tone_label,
            status.health,
        )

    @admin.display(description="Owner", ordering="owner__name")
    def owner_name(self, organization: Organization) -> str:
        return str(organization.owner or "–")

    @admin.display(description="Last sync", ordering=F("last_good").asc(nulls_first=True))
    def last_good_sync(self, organization: Any) -> str:
        status = organization.customer_status
        if status.last_synced_at is None:
            return "Never"
        time_ago = customer_status.format_time_ago(status.last_synced_at)
        return f"{time_ago}, late" if status.is_outdated else time_ago

    @admin.display(description="Within promise", ordering="-minutes_outside")
    def within_promise(self, organization: Any) -> str:
        return freshness_summary.format_share(organization.customer_status.freshness_share)

    @admin.display(description="Issues", ordering="open_issues")
    def issue_count(self, organization: Any) -> int:
        return len(organization.customer_status.issues)

    @admin.display(description="Unmatched", ordering="unmatched")
    def unmatched_count(self, organization: Any) -> int:
        return int(organization.customer_status.unmatched_count)

    @admin.display(description="Permissions missing", ordering="missing")
    def missing_permissions(self, organization: Any) -> int:
        return int(organization.customer_status.missing_count)

    @admin.display(description="Failed today", ordering="failures")
    def failed_actions(self, organization: Any) -> int:
        return int(organization.customer_status.failure_count)


class UserForm(forms.ModelForm[User]):
    def clean_is_active(self) -> bool:
        is_active: bool = self.cleaned_data["is_active"]
        if self.instance.pk and not is_active:
            for organization in memberships.list_organizations_left_without_admin(self.instance):
                raise forms.ValidationError(
                    f"{organization} would have no active admin. Make someone else an admin first."
                )
        return is_active


@admin.register(User)
class UserAdmin(PeopleSearchAdmin):
    form = UserForm
    list_display = ("email", "name", "is_active", "is_staff", "last_login")
    sortable_by = ("email", "name", "is_active", "is_staff", "last_login")
    list_filter = ("is_staff", "is_active")
    search_fields = ("search_name", "email")
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
    inlines = (MembershipInline,)

    def has_change_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        # Whoever changes a colleague's address can reset their password and sign in as them.
        is_staff_account = obj is not None and (obj.is_staff or obj.is_superuser)
        may_change = super().has_change_permission(request, obj)
        is_erased = obj is not None and obj.erased_at is not None
        return (
            may_change
            and not is_erased
            and (not is_staff_account or bool(request.user.is_superuser))
        )

    def get_readonly_fields(self, request: HttpRequest, obj: User | None = None) -> Any:
        # Only superusers decide who is staff.
        if request.user.is_superuser:
            return self.readonly_fields
        return (*self.readonly_fields, "is_staff", "groups")

    def save_model(self, request: HttpRequest, obj: User, form: Any, change: bool) -> None:
        before = audited_changes.load_stored_values(obj, audited_changes.USER_FIELDS)
        super().save_model(request, obj, form, change)
        if change and "email" in form.changed_data:
            email_confirmation.reset_confirmation(obj)
        audited_changes.record_user_change(request, obj, before)
