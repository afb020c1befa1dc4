"""A requisition's applications as CSV rows, exactly as the page lists them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.db.models import Exists, OuterRef, Subquery

from portal.applications.models import ApplicationAction
from portal.applications.page.application_list import ApplicationList
from portal.applications.page.labels import get_candidate_label, may_show_names
from portal.jobs.answers.promise import Promise, get_promise
from portal.sync.models import Application
from portal.web.csv_rows import format_time

CHUNK_SIZE = 500
HEADINGS = (
    "Candidate",
    "Title",
    "Company",
    "Stage",
    "Days in stage",
    "Status",
    "Needs decision",
    "Needs decision since",
    "Answer due",
    "Rejection pending until",
    "Applied",
    "Source",
    "Last activity",
    "Greenhouse application ID",
)


def list_rows(application_list: ApplicationList) -> Iterator[tuple[str, ...]]:
    pending = ApplicationAction.objects.filter(
        application=OuterRef("pk"), status=ApplicationAction.Status.PENDING
    )
    applications = application_list.matching.defer("answers", "custom").annotate(
        has_pending=Exists(pending), pending_until=Subquery(pending.values("due_at")[:1])
    )
    promise = get_promise(application_list.rights.member.organization_id)
    for application in applications.iterator(chunk_size=CHUNK_SIZE):
        yield _build_cells(application, application_list, promise)


def _build_cells(
    application: Application, application_list: ApplicationList, promise: Promise
) -> tuple[str, ...]:
    rights = application_list.rights
    candidate = application.candidate if may_show_names(rights) else None
    days = application.days_in_stage
    shows_days = days is not None and "stage_history" not in rights.features.unavailable
    return (
        get_candidate_label(application, rights),
        candidate.title if candidate else "",
        candidate.company if candidate else "",
        application.stage_name,
        str(days) if shows_days else "",
        application.status,
        _format_decision(application),
        format_time(application.decision_needed_at),
        format_time(promise.get_due_at(application.decision_needed_at))
        if application.decision_needed_at
        else "",
        _format_pending(application),
        format_time(application.applied_at),
        application.source_label,
        format_time(application.last_activity_at),
        str(application.remote_id),
    )


def _format_decision(application: Application) -> str:
    if not application.is_active or application.needs_decision is None:
        return ""
    return "yes" if application.needs_decision else "no"


def _format_pending(application: Any) -> str:
    """`application` as `list_rows` annotates it."""
    if application.has_pending and application.pending_until is None:
        return "not confirmed"
    return format_time(application.pending_until)
