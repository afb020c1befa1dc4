"""Filters of a job's application list, by status and stage."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from urllib.parse import urlencode

from django.db.models import F, QuerySet

from portal.sync.models import Application
from portal.web.id_parsing import parse_id

NEEDS_DECISION = "needs_decision"
STATUS_LABELS = {
    "active": "Active",
    NEEDS_DECISION: "Needs decision",
    "rejected": "Rejected",
    "hired": "Hired",
    "": "All",
}


def filter_applications(
    applications: QuerySet[Application], status: str, stage: str
) -> QuerySet[Application]:
    if status == NEEDS_DECISION:
        applications = applications.filter(status="active", needs_decision=True)
    elif status in STATUS_LABELS and status:
        applications = applications.filter(status=status)
    if (key := parse_id(stage)) is not None:
        applications = applications.filter(stage_id=key)
    return applications.select_related("candidate", "stage", "job", "source").order_by(
        F("last_activity_at").desc(nulls_last=True), "id"
    )


def shows_status_column(status: str) -> bool:
    """A list of one status does not repeat it in each row."""
    return status not in STATUS_LABELS or not status


def find_linked_application(
    applications: QuerySet[Application],
    query: Mapping[str, str],
    page_applications: Iterable[Application],
) -> Application | None:
    """`application` names it directly; `return_to` only matters if the current page
    (`page_applications`) does not show it.
    """
    key = parse_id(query.get("application", ""))
    if key is None:
        return_key = parse_id(query.get("return_to", ""))
        key = (
            None
            if any(application.pk == return_key for application in page_applications)
            else return_key
        )
    return None if key is None else filter_applications(applications, "", "").filter(pk=key).first()


def get_list_params(query: Mapping[str, str]) -> dict[str, str]:
    """The list's own query parameters, dropping all others."""
    if query.get("application"):
        return {"application": query["application"][:40]}
    lengths = {"status": 40, "stage": 40, "page": 40, "visit": 40, "first": 2000}
    return {name: query[name][:most] for name, most in lengths.items() if name in query}


def encode_list_params(query: Mapping[str, str]) -> str:
    return urlencode(get_list_params(query))


def parse_status_and_stage(query: Mapping[str, str]) -> tuple[str, str]:
    return query.get("status", "active"), query.get("stage", "")
