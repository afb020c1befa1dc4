from __future__ import annotations

from django.contrib import admin

from portal.notifications.models import Notification, OutgoingEmail
from portal.support.admin.base import LogAdmin, ReadOnlyAdmin
from portal.support.admin.customer_filter import build_customer_filter
from portal.support.models import Impersonation


@admin.register(Notification)
class NotificationAdmin(LogAdmin):
    list_display = ("created_at", "organization", "recipient", "subject", "status", "sent_at")
    sortable_by = ("created_at", "organization", "status", "sent_at")
    list_filter = (build_customer_filter("organization"), "status")
    search_fields = ("recipient__email", "subject")
    list_select_related = ("organization", "recipient")
    fields = (*list_display, "attempts", "due_at", "body", "path")


@admin.register(OutgoingEmail)
class OutgoingEmailAdmin(LogAdmin):
    """Never the content, which holds links that open accounts."""

    list_display = (
        "created_at", "recipient", "kind_label", "status", "attempts", "due_at", "sent_at",
    )  # fmt: skip
    sortable_by = ("created_at", "status", "attempts", "due_at", "sent_at")
    list_filter = ("status",)
    search_fields = ("recipient__email",)
    list_select_related = ("recipient",)
    fields = (*list_display, "last_error")
    readonly_fields = ("kind_label",)


@admin.register(Impersonation)
class ImpersonationAdmin(ReadOnlyAdmin):
    list_display = ("started_at", "by", "membership", "reason", "ended_at")
    sortable_by = ("started_at", "ended_at")
    search_fields = ("by__email", "organization__name", "reason")
    list_select_related = ("by", "membership__user", "membership__organization")
    fields = (*list_display, "organization", "expires_at")
