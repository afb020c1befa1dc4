"""Admins of syncs and synced data; candidates are not shown."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.db.models.query import ModelIterable
from django.http import HttpRequest
from django.urls import path

from portal.core.names.search_keys import match_title
from portal.support.admin.base import PeopleSearchAdmin, ReadOnlyAdmin, ReadOnlyInline
from portal.support.admin.customer_filter import build_customer_filter
from portal.support.customers.access_check import access_check_page
from portal.sync.models import AtsUser, Job, SyncRun, SyncStep
from portal.web.id_parsing import parse_id

CONFIDENTIAL_TITLE = "A confidential requisition"


class StepInline(ReadOnlyInline):
    model = SyncStep
    fields = (
        "kind",
        "status",
        "failure",
        "skip_reason",
        "pages",
        "read_count",
        "created",
        "gone",
        "unreadable_count",
    )


@admin.register(SyncRun)
class SyncRunAdmin(ReadOnlyAdmin):
    list_display = (
        "connection",
        "status",
        "failure",
        "requested_by",
        "queued_at",
        "finished_at",
    )
    sortable_by = ("status", "failure", "queued_at", "finished_at")
    list_filter = (build_customer_filter("connection__organization"), "status")
    search_fields = ("connection__organization__name",)
    list_select_related = ("connection__organization", "requested_by")
    fields = (*list_display, "started_at", "heartbeat_at")
    inlines = (StepInline,)


@admin.register(AtsUser)
class AtsUserAdmin(PeopleSearchAdmin, ReadOnlyAdmin):
    list_display = (
        "name",
        "primary_email",
        "connection",
        "site_admin",
        "deactivated",
        "gone_at",
    )
    sortable_by = ("name", "primary_email", "site_admin", "deactivated", "gone_at")
    list_filter = (build_customer_filter("connection__organization"), "site_admin", "deactivated")
    search_fields = ("search_name", "emails__address")
    list_select_related = ("connection__organization",)
    fields = (*list_display, "remote_id")


class RedactedJobIterable(ModelIterable[Job]):
    """Removes identifying values of confidential jobs wherever the query's rows are shown."""

    def __iter__(self) -> Iterator[Job]:
        for job in super().__iter__():
            if job.confidential:
                job.name, job.requisition_id = CONFIDENTIAL_TITLE, ""
            yield job


@admin.register(Job)
class JobAdmin(ReadOnlyAdmin):
    """Confidential jobs are found by Greenhouse ID only, and their names never leak."""

    # Methods, since sorting by a name column would reveal how confidential names begin.
    list_display = (
        "job_title",
        "requisition_number",
        "connection",
        "status",
        "confidential",
        "gone_at",
    )
    sortable_by = ("status", "confidential", "gone_at")
    list_filter = (build_customer_filter("connection__organization"), "status", "confidential")
    ordering = ("-pk",)
    search_fields = ("name", "requisition_id")  # and by ID, see get_search_results
    search_help_text = (
        "Enter a title, requisition ID or Greenhouse ID. Confidential requisitions are found only "
        "by Greenhouse ID, and their titles aren't shown."
    )
    list_select_related = ("connection__organization",)
    fields = (*list_display, "remote_id", "opened_at", "closed_at")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Job]:
        queryset: QuerySet[Job] = super().get_queryset(request)
        queryset._iterable_class = RedactedJobIterable
        return queryset

    @admin.display(description="Name")
    def job_title(self, job: Job) -> str:
        return job.name

    @admin.display(description="Requisition ID")
    def requisition_number(self, job: Job) -> str:
        return job.requisition_id

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Job], search_term: str
    ) -> tuple[QuerySet[Job], bool]:
        if not search_term.strip():
            return queryset, False
        name_matches = queryset.filter(
            match_title(search_term) | Q(requisition_id__icontains=search_term.strip()),
            confidential=False,
        )
        criteria = Q(pk__in=name_matches.order_by().values("pk"))
        if (remote_id := parse_id(search_term.strip())) is not None:
            criteria |= Q(remote_id=remote_id)
        return queryset.filter(criteria), False

    def get_urls(self) -> list[Any]:
        access_check_path = path(
            "access-check/",
            self.admin_site.admin_view(access_check_page),
            name="sync_job_access_check",
        )
        return [access_check_path, *super().get_urls()]
