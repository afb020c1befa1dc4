from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import Case, IntegerField, QuerySet, Value, When
from django.http import HttpRequest
from django.urls import path, reverse
from django.utils import timezone
from django.utils.html import format_html

from portal.accounts.models import User
from portal.audit.entries import record_entry
from portal.issues.issue_message import CUSTOMER_FIXERS, build_message, needs_permission_fix
from portal.issues.models import Issue
from portal.support.access.roles import PERSONAL_CAUSES, can_see_people
from portal.support.actions import action_pages, customer_actions
from portal.support.admin.base import NoAddDeleteAdmin, UrgencyChangeList

_SEVERITY_ORDER = {Issue.Severity.CRITICAL: 0, Issue.Severity.WARNING: 1, Issue.Severity.INFO: 2}
_STAFF_FIELDS = {"assigned_to": "assigned to", "snoozed_until": "snoozed", "note": "note"}
_SEVERITY_TONES = {
    Issue.Severity.CRITICAL: "bad",
    Issue.Severity.WARNING: "warn",
    Issue.Severity.INFO: "off",
}


class IssueStateFilter(admin.SimpleListFilter):
    title = "state"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("mine", "Mine"), ("snoozed", "Snoozed"), ("closed", "Closed"), ("all", "All")]

    def choices(self, changelist: Any) -> Any:
        for choice in super().choices(changelist):
            if choice["query_string"] == changelist.get_query_string(remove=["state"]):
                choice["display"] = "Open"
            yield choice

    def queryset(self, request: HttpRequest, queryset: QuerySet[Issue]) -> QuerySet[Issue]:
        now = timezone.now()
        match self.value():
            case "all":
                return queryset
            case "closed":
                return queryset.exclude(closed_at=None)
            case "snoozed":
                return queryset.filter(closed_at=None, snoozed_until__gte=now)
            case "mine":
                return queryset.filter(closed_at=None, assigned_to=request.user.pk)
            case _:
                return queryset.filter(closed_at=None).exclude(snoozed_until__gte=now)


@admin.register(Issue)
class IssueAdmin(NoAddDeleteAdmin):
    sortable_by = (
        "severity_pill",
        "title",
        "customer_link",
        "fixer_name",
        "first_seen_at",
        "last_seen_at",
        "occurrences",
    )
    list_display = (*sortable_by, "assigned_to")
    list_display_links = ("title",)
    urgency = ("order", "-last_seen_at", "-pk")
    list_filter = (IssueStateFilter, "severity", "cause", "fixer")
    search_fields = ("title", "organization__name")
    list_select_related = ("organization", "assigned_to")
    fields = ("assigned_to", "snoozed_until", "note")
    change_form_template = "admin/support/issue.html"

    def get_queryset(self, request: HttpRequest) -> QuerySet[Issue]:
        cases = [When(severity=severity, then=Value(n)) for severity, n in _SEVERITY_ORDER.items()]
        order = Case(*cases, is_default=Value(9), output_field=IntegerField())
        queryset: QuerySet[Issue] = super().get_queryset(request)
        visible_issues = (
            queryset if can_see_people(request) else queryset.exclude(cause__in=PERSONAL_CAUSES)
        )
        return visible_issues.annotate(order=order)

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[UrgencyChangeList]:
        return UrgencyChangeList

    def get_urls(self) -> list[Any]:
        view = self.admin_site.admin_view(action_pages.send_issue_message)
        return [
            path("<int:issue_id>/send/", view, name="issues_issue_send_message"),
            *super().get_urls(),
        ]

    @admin.display(description="Severity", ordering="order")
    def severity_pill(self, issue: Issue) -> str:
        tone = _SEVERITY_TONES[Issue.Severity(issue.severity)]
        return format_html(
            '<span class="support-pill support-{}">{}</span>', tone, issue.get_severity_display()
        )

    @admin.display(description="Customer", ordering="organization__name")
    def customer_link(self, issue: Issue) -> str:
        url = reverse("admin:accounts_organization_summary", args=[issue.organization_id])
        return format_html('<a href="{}">{}</a>', url, issue.organization)

    @admin.display(description="Who can fix it", ordering="fixer")
    def fixer_name(self, issue: Issue) -> str:
        return issue.get_fixer_display()

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> Any:
        issue = self.get_object(request, object_id)
        context = self._build_page_context(request, issue) if issue else {}
        return super().change_view(
            request, object_id, form_url, {**(extra_context or {}), **context}
        )

    def _build_page_context(self, request: HttpRequest, issue: Issue) -> dict[str, Any]:
        connection = getattr(issue.organization, "connection", None)
        return {
            "title": issue.title,
            "subtitle": "",
            "tone": _SEVERITY_TONES[Issue.Severity(issue.severity)],
            "may_help": request.user.has_perm(customer_actions.HELP_PERMISSION),
            "draft": build_message(issue),
            "customer_can_fix": issue.fixer in CUSTOMER_FIXERS,
            "needs_fix_link": needs_permission_fix(issue),
            "actions": customer_actions.list_available_actions(connection),
        }

    def formfield_for_dbfield(self, db_field: Any, request: Any, **kwargs: Any) -> Any:
        if db_field.name == "snoozed_until":
            kwargs |= {
                "form_class": forms.DateTimeField,
                "label": "Snooze until (UTC)",
                "widget": forms.DateTimeInput({"type": "datetime-local"}, format="%Y-%m-%dT%H:%M"),
            }
        field = super().formfield_for_dbfield(db_field, request, **kwargs)
        if field and db_field.name == "assigned_to":
            field.widget.can_view_related = field.widget.can_add_related = False
            field.widget.can_change_related = field.widget.can_delete_related = False
        if field and db_field.name == "note":
            field.widget.attrs["rows"] = 4
        return field

    def formfield_for_foreignkey(self, db_field: Any, request: Any, **kwargs: Any) -> Any:
        if db_field.name == "assigned_to":
            kwargs["queryset"] = User.objects.filter(is_staff=True, is_active=True)
        return super().formfield_for_foreignkey(db_field, request, **kwargs)

    def save_model(self, request: HttpRequest, obj: Issue, form: Any, change: bool) -> None:
        # Write only the staff's fields: the portal may close the issue concurrently.
        changed_fields = [name for name in _STAFF_FIELDS if name in form.changed_data]
        if not changed_fields:
            return
        obj.save(update_fields=changed_fields)
        labels = ", ".join(_STAFF_FIELDS[name] for name in changed_fields)
        assert isinstance(request.user, User)  # noqa: S101  (for the type)
        record_entry(
            "issue.updated",
            f"updated the issue “{obj.title}” ({labels})",
            organization=obj.organization,
            by=request.user,
            subject=obj,
            request=request,
        )
