"""Which of a requisition's applications a page shows: by state and by stage."""

from __future__ import annotations

from collections.abc import Mapping

from django.db.models import F, QuerySet

from portal.core.keys import as_key
from portal.mirror.models import Application

SHOWN = {"active": "Active", "rejected": "Rejected", "hired": "Hired", "": "All"}


def narrowed(applications: QuerySet[Application], status: str, stage: str) -> QuerySet[Application]:
    """Those that fit, the ones with the newest activity first."""
    if status in SHOWN and status:
        applications = applications.filter(status=status)
    if (key := as_key(stage)) is not None:
        applications = applications.filter(stage_id=key)
    return applications.select_related("candidate", "stage", "job", "source").order_by(
        F("last_activity_at").desc(nulls_last=True), "id"
    )


def alone(applications: QuerySet[Application], query: Mapping[str, str]) -> Application | None:
    """The one application that the address names, if it is among these."""
    key = as_key(query.get("application", ""))
    return None if key is None else narrowed(applications, "", "").filter(pk=key).first()


def chosen_from(query: Mapping[str, str]) -> tuple[str, str]:
    """The state and the stage that the address names."""
    return query.get("status", "active"), query.get("stage", "")
