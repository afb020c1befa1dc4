"""Syncs and what they brought. Candidates are not shown: customer success does not need them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.db.models.query import ModelIterable
from django.http import HttpRequest
from django.urls import path

from portal.core.keys import as_key
from portal.mirror.models import AtsUser, Job, SyncRun, SyncStep
from portal.support.admin.base import Watched, WatchedInline
from portal.support.admin.customers import of_customer
from portal.support.admin.why import why

CONFIDENTIAL = "A confidential requisition"


class StepInline(WatchedInline):
    model = SyncStep
    fields = (
        "kind",
        "status",
        "failure",
        "because",
        "pages",
        "seen",
        "created",
        "gone",
        "set_aside",
    )


@admin.register(SyncRun)
class SyncRunAdmin(Watched):
    list_display = (
        "connection",
        "status",
        "failure",
        "requested_by",
        "queued_at",
        "finished_at",
    )
    list_filter = (of_customer("connection__organization"), "status")
    search_fields = ("connection__organization__name",)
    list_select_related = ("connection__organization", "requested_by")
    fields = (*list_display, "started_at", "heard_at")
    inlines = (StepInline,)


@admin.register(AtsUser)
class AtsUserAdmin(Watched):
    """Greenhouse's users, to see why somebody is not matched."""

    list_display = (
        "name",
        "primary_email",
        "connection",
        "site_admin",
        "deactivated",
        "gone_at",
    )
    list_filter = (of_customer("connection__organization"), "site_admin", "deactivated")
    search_fields = ("name", "emails__address")
    list_select_related = ("connection__organization",)
    fields = (*list_display, "remote_id")


class Unnamed(ModelIterable[Job]):
    """Confidential jobs without what names them, wherever a row of the query is shown."""

    def __iter__(self) -> Iterator[Job]:
        for job in super().__iter__():
            if job.confidential:
                job.name, job.requisition_id = CONFIDENTIAL, ""
            yield job


@admin.register(Job)
class JobAdmin(Watched):
    """Requisitions. A confidential one is found by Greenhouse's id alone, and is not named: neither
    by its order among others nor by what a filter in the address finds.
    """

    # By methods: a column of the table could be sorted by, which tells how a name begins.
    list_display = (
        "title",
        "requisition",
        "connection",
        "status",
        "confidential",
        "gone_at",
    )
    list_filter = (of_customer("connection__organization"), "status", "confidential")
    ordering = ("-pk",)
    search_fields = ("name", "requisition_id")  # and by id: get_search_results
    search_help_text = (
        "A title, requisition ID, or Greenhouse's ID. A confidential one is found by Greenhouse's "
        "ID alone, and is not named."
    )
    list_select_related = ("connection__organization",)
    fields = (*list_display, "remote_id", "opened_at", "closed_at")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Job]:
        found: QuerySet[Job] = super().get_queryset(request)
        found._iterable_class = Unnamed
        return found

    @admin.display(description="Name")
    def title(self, job: Job) -> str:
        return job.name

    @admin.display(description="Requisition ID")
    def requisition(self, job: Job) -> str:
        return job.requisition_id

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Job], search_term: str
    ) -> tuple[QuerySet[Job], bool]:
        if not search_term.strip():
            return queryset, False
        named, _ = super().get_search_results(
            request, queryset.filter(confidential=False), search_term
        )
        meant = Q(pk__in=named.order_by().values("pk"))
        if (remote_id := as_key(search_term.strip())) is not None:
            meant |= Q(remote_id=remote_id)
        return queryset.filter(meant), False

    def get_urls(self) -> list[Any]:
        address = path("why/", self.admin_site.admin_view(why), name="mirror_job_why")
        return [address, *super().get_urls()]
