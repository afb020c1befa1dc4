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
        "came_of_it",
        "settled_at",
    )
    list_filter = (of_customer("membership__organization"), "kind", "status")
    list_select_related = ("membership__user", "membership__organization")
    fields = (*list_display, "seen_stage_name", "sent_at", "evidence", "key")

    @admin.display(description="Outcome")
    def came_of_it(self, action: ApplicationAction) -> str:
        """Without the name of a requisition, which may be confidential."""
        told = action.outcome
        for where, name in ((action.parameters, "to_job_name"), (action.before, "job_name")):
            if known := (where or {}).get(name):
                told = told.replace(f"“{known}”", "a requisition")
        return told
