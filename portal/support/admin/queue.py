"""Queued tasks: dotted paths and IDs."""

from __future__ import annotations

from django.contrib import admin

from portal.core.models import QueuedTask
from portal.support.admin.base import ReadOnlyAdmin


@admin.register(QueuedTask)
class QueuedTaskAdmin(ReadOnlyAdmin):
    list_display = (
        "task",
        "arguments",
        "lane",
        "organization_id",
        "due_at",
        "enqueued_at",
        "leased_until",
        "delivery_count",
    )
    sortable_by = ("task", "lane", "due_at", "enqueued_at", "leased_until", "delivery_count")
    list_filter = ("lane",)
    search_fields = ("task",)
    fields = (*list_display, "leased_by")
    ordering = ("due_at", "pk")
