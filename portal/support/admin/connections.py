"""Admins of connections, checks and Greenhouse requests; secrets are in no field list."""

from __future__ import annotations

from datetime import datetime
from typing import Any, ClassVar

from django.contrib import admin
from django.db.models import OuterRef, Q, QuerySet, Subquery, TextChoices
from django.forms import BaseInlineFormSet
from django.http import HttpRequest

from integrations.ats.client_context import Lane
from portal.connections.models import (
    ApiCall,
    CheckRun,
    Connection,
    Credential,
    PermissionCheck,
)
from portal.core.date_formats import format_datetime
from portal.support.actions import bulk_actions, customer_actions
from portal.support.admin.base import (
    SEARCHED_ROWS,
    LogAdmin,
    ReadOnlyAdmin,
    ReadOnlyInline,
    limit_to_recent,
)
from portal.support.admin.customer_filter import build_customer_filter, is_customer_chosen
from portal.sync.models import SyncRun

MAX_SHOWN_CHECKS = 20  # on a connection's page; the check list shows all


class CredentialInline(ReadOnlyInline):
    model = Credential
    fields = ("kind", "last_four", "fingerprint", "state", "entered_by", "entered_at")
    related_fields = ("connection__organization", "entered_by")


class LatestChecksFormSet(BaseInlineFormSet[CheckRun, Connection, Any]):
    def get_queryset(self) -> QuerySet[CheckRun]:
        if not hasattr(self, "_newest"):
            self._newest = super().get_queryset()[:MAX_SHOWN_CHECKS]
        return self._newest


class CheckInline(ReadOnlyInline):
    model = CheckRun
    formset = LatestChecksFormSet
    verbose_name_plural = f"Last {MAX_SHOWN_CHECKS} checks"
    fields = ("status", "failure", "requested_by", "queued_at", "finished_at")
    related_fields = ("connection__organization", "requested_by")
    show_change_link = True
    max_num = 0


@admin.register(Connection)
class ConnectionAdmin(ReadOnlyAdmin):
    list_display = (
        "organization",
        "state",
        "credential_label",
        "newest_check",
        "newest_sync",
    )
    sortable_by = ("organization", "state", "newest_check", "newest_sync")
    list_filter = ("state",)
    search_fields = ("organization__name",)
    list_select_related = ("organization",)
    fields = ("organization", "state", "created_at")
    inlines = (CredentialInline, CheckInline)
    actions = ("check_permissions", "sync_now")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Connection]:
        credential = Credential.objects.filter(connection=OuterRef("pk"), state="in_use")
        check = CheckRun.objects.filter(connection=OuterRef("pk")).order_by("-pk")
        sync = SyncRun.objects.filter(connection=OuterRef("pk")).order_by("-pk")
        queryset: QuerySet[Connection] = super().get_queryset(request)
        return queryset.annotate(
            last_four=Subquery(credential.values("last_four")[:1]),
            kind=Subquery(credential.values("kind")[:1]),
            check_status=Subquery(check.values("status")[:1]),
            check_at=Subquery(check.values("queued_at")[:1]),
            sync_status=Subquery(sync.values("status")[:1]),
            sync_at=Subquery(sync.values("queued_at")[:1]),
        )

    @admin.display(description="Credential")
    def credential_label(self, connection: Any) -> str:
        if connection.kind and not connection.last_four:
            return "Authorized in Greenhouse"
        return f"···· {connection.last_four}" if connection.last_four else "None yet"

    @admin.display(description="Last check", ordering="check_at")
    def newest_check(self, connection: Any) -> str:
        return _format_status(connection.check_status, CheckRun.Status, connection.check_at)

    @admin.display(description="Last sync", ordering="sync_at")
    def newest_sync(self, connection: Any) -> str:
        return _format_status(connection.sync_status, SyncRun.Status, connection.sync_at)

    def has_help_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm(customer_actions.HELP_PERMISSION)

    @admin.action(description="Check permissions", permissions=["help"])
    def check_permissions(self, request: HttpRequest, queryset: QuerySet[Connection]) -> None:
        self._run_action(request, queryset, customer_actions.CUSTOMER_ACTIONS["check"])

    @admin.action(description="Sync now", permissions=["help"])
    def sync_now(self, request: HttpRequest, queryset: QuerySet[Connection]) -> None:
        self._run_action(request, queryset, customer_actions.CUSTOMER_ACTIONS["sync"])

    def _run_action(
        self,
        request: HttpRequest,
        queryset: QuerySet[Connection],
        action: customer_actions.CustomerAction,
    ) -> None:
        organizations = [
            connection.organization for connection in queryset.select_related("organization")
        ]
        bulk_actions.run_for_customers(request, organizations, action)


def _format_status(status: str | None, choices: type[TextChoices], at: datetime | None) -> str:
    return f"{choices(status).label}, {format_datetime(at)} UTC" if status and at else "None yet"


class ResultInline(ReadOnlyInline):
    model = PermissionCheck
    fields = ("permission", "outcome", "message", "evidence", "checked_at")


@admin.register(CheckRun)
class CheckRunAdmin(ReadOnlyAdmin):
    list_display = (
        "connection",
        "status",
        "failure",
        "requested_by",
        "queued_at",
        "finished_at",
    )
    sortable_by = ("status", "failure", "queued_at", "finished_at")
    list_filter = (build_customer_filter("connection__organization"), "status", "cause")
    search_fields = ("connection__organization__name",)
    list_select_related = ("connection__organization", "requested_by")
    fields = (*list_display, "started_at", "cause")
    inlines = (ResultInline,)


class OutcomeFilter(admin.SimpleListFilter):
    """Fixed choices, since listing them from the log would read all of it."""

    title = "outcome"
    parameter_name = "outcome"
    OUTCOMES: ClassVar = {
        "well": ("Succeeded", Q(status__lt=400)),
        "refused": ("Refused (401, 403)", Q(status__in=(401, 403))),
        "limited": ("Rate-limited (429)", Q(status=429)),
        "broken": ("Failed (500 and above)", Q(status__gte=500)),
        "unanswered": ("No answer", Q(status=None)),
        "trouble": ("All failures", Q(status__gte=400) | Q(status=None)),
    }

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(key, label) for key, (label, _) in self.OUTCOMES.items()]

    def queryset(self, request: HttpRequest, queryset: QuerySet[ApiCall]) -> QuerySet[ApiCall]:
        outcome = self.OUTCOMES.get(self.value() or "")
        return queryset.filter(outcome[1]) if outcome else queryset


class LaneFilter(admin.SimpleListFilter):
    title = "lane"
    parameter_name = "lane"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(lane.value, lane.value.capitalize()) for lane in Lane]

    def queryset(self, request: HttpRequest, queryset: QuerySet[ApiCall]) -> QuerySet[ApiCall]:
        return queryset.filter(lane=self.value()) if self.value() in set(Lane) else queryset


@admin.register(ApiCall)
class ApiCallAdmin(LogAdmin):
    """The request log: path templates, never bodies, secrets or real IDs."""

    list_display = (
        "requested_at",
        "connection",
        "method",
        "path",
        "status",
        "milliseconds",
        "retries",
        "lane",
        "remaining",
        "error",
    )
    sortable_by = ("requested_at", "status", "milliseconds", "retries")
    list_filter = (build_customer_filter("connection__organization"), OutcomeFilter, LaneFilter)
    search_fields = ("request_id", "trace", "path")  # see get_search_results
    search_help_text = (
        f"Enter a full request ID, or part of a path with its slash. Paths are searched in the "
        f"newest {SEARCHED_ROWS:,} rows, or in all rows of the selected customer."
    )
    list_select_related = ("connection__organization",)
    fields = (*list_display, "request_id", "trace")

    @admin.display(description="At (UTC)", ordering="at")
    def requested_at(self, call: ApiCall) -> str:
        return f"{format_datetime(call.at)}:{call.at:%S}"

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[ApiCall], search_term: str
    ) -> tuple[QuerySet[ApiCall], bool]:
        # Request IDs are indexed; path searches are limited to recent rows or one customer.
        term = search_term.strip()
        if "/" in term:
            matches = queryset.filter(path__icontains=term)
            return (matches if is_customer_chosen(request) else limit_to_recent(matches)), False
        ids = Q(request_id=term) | Q(trace=term)
        return (queryset.filter(ids) if term else queryset), False
