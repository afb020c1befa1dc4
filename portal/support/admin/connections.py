"""Connections, checks and requests to Greenhouse. No secret is in any field list."""

from __future__ import annotations

from datetime import datetime
from typing import Any, ClassVar, cast

from django.contrib import admin, messages
from django.db.models import OuterRef, Q, QuerySet, Subquery, TextChoices
from django.forms import BaseInlineFormSet
from django.http import HttpRequest

from integrations.ats.wiring import Lane
from portal.accounts.models import User
from portal.connections.models import (
    ApiCall,
    CheckRun,
    Connection,
    Credential,
    PermissionCheck,
)
from portal.mirror.models import SyncRun
from portal.support import deeds
from portal.support.admin.base import SEARCHED, Log, Watched, WatchedInline, lately
from portal.support.admin.customers import chosen, of_customer

NEWEST = 20  # checks on a connection's own page; all of them have a list


class CredentialInline(WatchedInline):
    model = Credential
    fields = ("kind", "last_four", "fingerprint", "state", "entered_by", "entered_at")
    related = ("connection__organization", "entered_by")


class NewestChecks(BaseInlineFormSet[CheckRun, Connection, Any]):
    """The newest of them, read once."""

    def get_queryset(self) -> QuerySet[CheckRun]:
        if not hasattr(self, "_newest"):
            self._newest = super().get_queryset()[:NEWEST]
        return self._newest


class CheckInline(WatchedInline):
    model = CheckRun
    formset = NewestChecks
    verbose_name_plural = f"The newest {NEWEST} checks"
    fields = ("status", "failure", "requested_by", "queued_at", "finished_at")
    related = ("connection__organization", "requested_by")
    show_change_link = True
    max_num = 0


@admin.register(Connection)
class ConnectionAdmin(Watched):
    """Every customer's connection; a CSM checks and syncs for them."""

    list_display = (
        "organization",
        "state",
        "credential_shown",
        "newest_check",
        "newest_sync",
    )
    list_filter = ("state",)
    search_fields = ("organization__name",)
    list_select_related = ("organization",)
    fields = ("organization", "state", "created_at")
    inlines = (CredentialInline, CheckInline)
    actions = ("check_permissions", "sync_now")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Connection]:
        """With what is newest of each, by one query however long the histories are."""
        credential = Credential.objects.filter(connection=OuterRef("pk"), state="in_use")
        check = CheckRun.objects.filter(connection=OuterRef("pk")).order_by("-pk")
        sync = SyncRun.objects.filter(connection=OuterRef("pk")).order_by("-pk")
        found: QuerySet[Connection] = super().get_queryset(request)
        return found.annotate(
            last_four=Subquery(credential.values("last_four")[:1]),
            kind=Subquery(credential.values("kind")[:1]),
            check_status=Subquery(check.values("status")[:1]),
            check_at=Subquery(check.values("queued_at")[:1]),
            sync_status=Subquery(sync.values("status")[:1]),
            sync_at=Subquery(sync.values("queued_at")[:1]),
        )

    @admin.display(description="Credential")
    def credential_shown(self, connection: Any) -> str:
        if connection.kind and not connection.last_four:
            return "By consent"
        return f"···· {connection.last_four}" if connection.last_four else "None yet"

    @admin.display(description="Newest check", ordering="check_at")
    def newest_check(self, connection: Any) -> str:
        return _when(connection.check_status, CheckRun.Status, connection.check_at)

    @admin.display(description="Newest sync", ordering="sync_at")
    def newest_sync(self, connection: Any) -> str:
        return _when(connection.sync_status, SyncRun.Status, connection.sync_at)

    def has_help_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm(deeds.MAY)

    @admin.action(description="Check permissions", permissions=["help"])
    def check_permissions(self, request: HttpRequest, chosen: QuerySet[Connection]) -> None:
        self._do(request, chosen, deeds.DEEDS["check"], "being checked")

    @admin.action(description="Sync now", permissions=["help"])
    def sync_now(self, request: HttpRequest, chosen: QuerySet[Connection]) -> None:
        self._do(request, chosen, deeds.DEEDS["sync"], "being synced")

    def _do(
        self, request: HttpRequest, chosen: QuerySet[Connection], deed: deeds.Deed, what: str
    ) -> None:
        """Do it for each where it can be done, in this person's name; say for which it cannot."""
        done, by = 0, cast(User, request.user)
        for connection in chosen.select_related("organization"):
            if no := deeds.why_not(deed, connection):
                self.message_user(request, f"{connection}: {no}", messages.WARNING)
                continue
            deeds.do(deed, connection, by=by, request=request)
            done += 1
        if done:
            self.message_user(request, f"{done} {what}.", messages.SUCCESS)


def _when(status: str | None, words: type[TextChoices], at: datetime | None) -> str:
    return f"{words(status).label}, {at:%-d %b %H:%M} UTC" if status and at else "None yet"


class ResultInline(WatchedInline):
    model = PermissionCheck
    fields = ("permission", "outcome", "sentence", "evidence", "checked_at")


@admin.register(CheckRun)
class CheckRunAdmin(Watched):
    list_display = (
        "connection",
        "status",
        "failure",
        "requested_by",
        "queued_at",
        "finished_at",
    )
    list_filter = (of_customer("connection__organization"), "status", "cause")
    search_fields = ("connection__organization__name",)
    list_select_related = ("connection__organization", "requested_by")
    fields = (*list_display, "started_at", "cause")
    inlines = (ResultInline,)


class Outcome(admin.SimpleListFilter):
    """What came of it. The choices are ours: to ask the log for them would read all of it."""

    title = "outcome"
    parameter_name = "outcome"
    WANTED: ClassVar = {
        "well": ("Well", Q(status__lt=400)),
        "refused": ("Refused (401, 403)", Q(status__in=(401, 403))),
        "limited": ("Over the limit (429)", Q(status=429)),
        "broken": ("Broken (500 and above)", Q(status__gte=500)),
        "unanswered": ("No answer", Q(status=None)),
        "trouble": ("All that went wrong", Q(status__gte=400) | Q(status=None)),
    }

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(key, words) for key, (words, _) in self.WANTED.items()]

    def queryset(self, request: HttpRequest, found: QuerySet[ApiCall]) -> QuerySet[ApiCall]:
        wanted = self.WANTED.get(self.value() or "")
        return found.filter(wanted[1]) if wanted else found


class ByLane(admin.SimpleListFilter):
    """Who waited for it."""

    title = "lane"
    parameter_name = "lane"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(lane.value, lane.value.capitalize()) for lane in Lane]

    def queryset(self, request: HttpRequest, found: QuerySet[ApiCall]) -> QuerySet[ApiCall]:
        return found.filter(lane=self.value()) if self.value() in set(Lane) else found


@admin.register(ApiCall)
class ApiCallAdmin(Log):
    """The request log: path templates, never bodies, secrets, or real ids."""

    list_display = (
        "moment",
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
    list_filter = (of_customer("connection__organization"), Outcome, ByLane)
    search_fields = ("request_id", "trace", "path")  # how: get_search_results
    search_help_text = (
        f"An id of a request, whole; or a part of a path, with its slash: in the newest "
        f"{SEARCHED:,} rows, or in all of the customer that is chosen."
    )
    list_select_related = ("connection__organization",)
    fields = (*list_display, "request_id", "trace")

    @admin.display(description="At (UTC)", ordering="at")
    def moment(self, call: ApiCall) -> str:
        return f"{call.at:%-d %b %Y, %H:%M:%S}"

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[ApiCall], search_term: str
    ) -> tuple[QuerySet[ApiCall], bool]:
        """By index where it is an id: among millions, nothing else is quick."""
        term = search_term.strip()
        if "/" in term:
            found = queryset.filter(path__icontains=term)
            return (found if chosen(request) else lately(found)), False
        ids = Q(request_id=term) | Q(trace=term)
        return (queryset.filter(ids) if term else queryset), False
