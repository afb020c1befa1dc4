from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from itertools import islice

from django.db.models import QuerySet

from portal.accounts.models import Membership
from portal.entitlements.rules import Rights
from portal.jobs.job_list.rows import JobRow, build_rows
from portal.sync.models import Job
from portal.web.csv_rows import format_time

CHUNK_SIZE = 200
HEADINGS = (
    "Title",
    "Requisition ID",
    "Greenhouse ID",
    "Status",
    "Confidential",
    "Template",
    "Department",
    "Offices",
    "Recruiters",
    "Opened",
    "Open positions",
    "Active applications",
    "By stage",
    "New since your last visit",
    "Longest wait since",
    "Need a decision",
    "Unknown whether they need one",
    "Answers overdue",
    "Need a decision since",
    "First answer due",
    "Answered in time, last 30 days",
    "Answered late, last 30 days",
    "Answered, wait unknown, last 30 days",
    "Synced at",
)


def list_rows(
    jobs: QuerySet[Job], member: Membership, rights: Rights, *, as_of: datetime | None
) -> Iterator[tuple[str, ...]]:
    remaining_jobs = jobs.select_related("department").iterator(chunk_size=CHUNK_SIZE)
    while chunk := list(islice(remaining_jobs, CHUNK_SIZE)):
        for row in build_rows(chunk, member, rights):
            yield _build_cells(row, as_of)


def build_answer_cells(row: JobRow) -> tuple[str, ...]:
    """Empty, not 0, where Greenhouse doesn't say."""
    waiting, answers = row.waiting, row.answers
    decision_unknown = waiting.decision_unknown if waiting else 0
    is_unknown = bool(waiting and decision_unknown and not waiting.undecided)
    since = waiting.since if waiting else None
    return (
        "" if is_unknown else str(waiting.undecided if waiting else 0),
        str(decision_unknown),
        "" if is_unknown else str(waiting.overdue if waiting else 0),
        format_time(since),
        format_time(waiting.promise.get_due_at(since) if waiting and since else None),
        str(answers.in_time),
        str(answers.late),
        str(answers.unknown),
    )


def _build_cells(row: JobRow, as_of: datetime | None) -> tuple[str, ...]:
    job = row.job
    return (
        job.name,
        job.requisition_id,
        str(job.remote_id),
        job.status,
        "yes" if job.confidential else "no",
        "yes" if job.is_template else "no",
        job.department.name if job.department else "",
        "; ".join(row.offices),
        "; ".join(row.recruiters),
        format_time(job.opened_at),
        "" if row.openings_left is None else str(row.openings_left),
        str(row.active),
        row.stage_label,
        str(row.new),
        format_time(row.waiting_since),
        *build_answer_cells(row),
        format_time(as_of),
    )
