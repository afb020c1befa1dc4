"""Queued and failed tasks: dotted paths and IDs."""

from __future__ import annotations

from typing import Any, cast

from django.apps import apps
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest

from portal.accounts.models import Organization, User
from portal.audit.entries import record_entry
from portal.core import queue
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


Failure = apps.get_model("django_q", "Failure")
admin.site.unregister(Failure)  # Django-Q's own would enqueue without the organization


@admin.register(Failure)
class FailureAdmin(ReadOnlyAdmin):
    list_display = ("name", "func", "args", "started", "stopped", "attempt_count")
    sortable_by = ("name", "func", "started", "stopped")
    search_fields = ("name", "func")
    fields = (*list_display, "kwargs", "group", "result")
    actions = ("resubmit_tasks",)

    def has_resubmit_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("django_q.change_failure")

    @admin.action(description="Run again", permissions=["resubmit"])
    def resubmit_tasks(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        for task in queryset:
            organization_id = (task.kwargs or {}).get("organization_id")
            try:
                queue.resubmit_failed_task(task)
            except queue.TaskWithoutLane:
                message = f"{task.func} no longer exists, so it was not queued."
                self.message_user(request, message, messages.WARNING)
                continue
            record_entry(
                "task.resubmitted",
                f"queued the failed task {task.func} again",
                organization=Organization.objects.filter(pk=organization_id or 0).first(),
                by=cast(User, request.user),
                after={"task": task.func, "ids": list(task.args)},
                request=request,
            )
