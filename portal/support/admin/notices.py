"""What people were told, and our own looks."""

from __future__ import annotations

from django.contrib import admin

from portal.notices.models import Notice
from portal.support.admin.base import Log, Watched
from portal.support.admin.customers import of_customer
from portal.support.models import Look


@admin.register(Notice)
class NoticeAdmin(Log):
    list_display = ("created_at", "organization", "to", "subject", "status", "sent_at")
    list_filter = (of_customer("organization"), "status")
    search_fields = ("to__email", "subject")
    list_select_related = ("organization", "to")
    fields = (*list_display, "words", "path")


@admin.register(Look)
class LookAdmin(Watched):
    list_display = ("began_at", "by", "membership", "reason", "ended_at")
    search_fields = ("by__email", "organization__name", "reason")
    list_select_related = ("by", "membership__user", "membership__organization")
    fields = (*list_display, "organization", "until")
