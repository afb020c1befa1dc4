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
    "Synced at",
)


def list_rows(
    jobs: QuerySet[Job], member: Membership, rights: Rights, *, as_of: datetime | None
) -> Iterator[tuple[str, ...]]:
    remaining_jobs = jobs.select_related("department").iterator(chunk_size=CHUNK_SIZE)
    while chunk := list(islice(remaining_jobs, CHUNK_SIZE)):
        for row in build_rows(chunk, member, rights):
            yield _build_cells(row, as_of)


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
        format_time(as_of),
    )
