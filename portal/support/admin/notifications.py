from __future__ import annotations

from django.contrib import admin

from portal.notifications.models import Notification
from portal.support.admin.base import LogAdmin, ReadOnlyAdmin
from portal.support.admin.customer_filter import build_customer_filter
from portal.support.models import Impersonation


@admin.register(Notification)
class NotificationAdmin(LogAdmin):
    list_display = ("created_at", "organization", "recipient", "subject", "status", "sent_at")
    list_filter = (build_customer_filter("organization"), "status")
    search_fields = ("recipient__email", "subject")
    list_select_related = ("organization", "recipient")
    fields = (*list_display, "body", "path")


@admin.register(Impersonation)
class ImpersonationAdmin(ReadOnlyAdmin):
    list_display = ("started_at", "by", "membership", "reason", "ended_at")
    search_fields = ("by__email", "organization__name", "reason")
    list_select_related = ("by", "membership__user", "membership__organization")
    fields = (*list_display, "organization", "expires_at")
