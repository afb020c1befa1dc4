"""Syncs and what they brought. Candidates are not shown: customer success does not need them."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.urls import path

from portal.mirror.models import AtsUser, Job, SyncRun, SyncStep
from portal.support.admin.base import Watched, WatchedInline
from portal.support.admin.customers import of_customer
from portal.support.admin.why import why


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


@admin.register(Job)
class JobAdmin(Watched):
    list_display = (
        "name",
        "requisition_id",
        "connection",
        "status",
        "confidential",
        "gone_at",
    )
    list_filter = (of_customer("connection__organization"), "status", "confidential")
    search_fields = ("name", "requisition_id", "=remote_id")
    list_select_related = ("connection__organization",)
    fields = (*list_display, "remote_id", "opened_at", "closed_at")

    def get_urls(self) -> list[Any]:
        address = path("why/", self.admin_site.admin_view(why), name="mirror_job_why")
        return [address, *super().get_urls()]
