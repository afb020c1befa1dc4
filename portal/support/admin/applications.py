from __future__ import annotations

from django.contrib import admin

from portal.applications.models import ApplicationAction
from portal.support.admin.base import ReadOnlyAdmin
from portal.support.admin.customer_filter import build_customer_filter


@admin.register(ApplicationAction)
class ApplicationActionAdmin(ReadOnlyAdmin):
    list_display = (
        "queued_at",
        "membership",
        "kind",
        "status",
        "outcome_text",
        "settled_at",
    )
    sortable_by = ("queued_at", "kind", "status", "settled_at")
    list_filter = (build_customer_filter("membership__organization"), "kind", "status")
    list_select_related = ("membership__user", "membership__organization")
    fields = (*list_display, "seen_stage_name", "sent_at", "evidence", "key")

    @admin.display(description="Outcome")
    def outcome_text(self, action: ApplicationAction) -> str:
        # Job names may be confidential.
        text = action.outcome
        for values, key in ((action.parameters, "to_job_name"), (action.state_before, "job_name")):
            if job_name := (values or {}).get(key):
                text = text.replace(f"“{job_name}”", "a requisition")
        return text
