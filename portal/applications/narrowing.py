"""Which of a requisition's applications a page shows: by state and by stage."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from urllib.parse import urlencode

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


def alone(
    applications: QuerySet[Application], query: Mapping[str, str], listed: Iterable[Application]
) -> Application | None:
    """The one application that is shown by itself, if it is among these.

    `application` names it. `at` names the one to come back to: where `listed`, the page of the
    list, has it, that is shown instead.
    """
    key = as_key(query.get("application", ""))
    if key is None:
        at = as_key(query.get("at", ""))
        key = None if any(one.pk == at for one in listed) else at
    return None if key is None else narrowed(applications, "", "").filter(pk=key).first()


def list_of(query: Mapping[str, str]) -> dict[str, str]:
    """What the address says of the list, to come back to it: these words and no others."""
    names = ("application",) if query.get("application") else ("status", "stage", "page")
    return {name: query[name][:40] for name in names if name in query}


def list_words(query: Mapping[str, str]) -> str:
    """The same, as a page's forms and links carry it."""
    return urlencode(list_of(query))


def chosen_from(query: Mapping[str, str]) -> tuple[str, str]:
    """The state and the stage that the address names."""
    return query.get("status", "active"), query.get("stage", "")
