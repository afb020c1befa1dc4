"""What recruiters did, without whom it was done to."""

from __future__ import annotations

from django.contrib import admin

from portal.applications.models import ApplicationAction
from portal.support.admin.base import Watched
from portal.support.admin.customers import of_customer


@admin.register(ApplicationAction)
class ApplicationActionAdmin(Watched):
    list_display = (
        "queued_at",
        "membership",
        "kind",
        "status",
        "outcome",
        "settled_at",
    )
    list_filter = (of_customer("membership__organization"), "kind", "status")
    list_select_related = ("membership__user", "membership__organization")
    fields = (*list_display, "seen_stage_name", "sent_at", "evidence", "key")
