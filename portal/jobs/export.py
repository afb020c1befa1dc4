"""The list as a file: exactly the rows that its reader sees, one by one, as of when."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from datetime import datetime
from itertools import islice

from django.db.models import QuerySet

from portal.accounts.models import Membership
from portal.entitlements.rules import Rights
from portal.jobs.rows import Row, rows
from portal.mirror.models import Job

AT_ONCE = 200
HEADINGS = (
    "Title",
    "Requisition ID",
    "Greenhouse ID",
    "Status",
    "Confidential",
    "Department",
    "Offices",
    "Recruiters",
    "Opened",
    "Openings left",
    "Active applications",
    "By stage",
    "New since you looked",
    "Waiting longest since",
    "As of",
)
# A spreadsheet takes a cell that begins so for a formula, and would run what a title says.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


class _Line:
    """A file that gives each line back."""

    def write(self, line: str) -> str:
        return line


def lines(
    jobs: QuerySet[Job], member: Membership, held: Rights, *, as_of: datetime | None
) -> Iterator[str]:
    """The file's lines, one after the other: never all in memory."""
    writer = csv.writer(_Line())
    yield "\ufeff" + writer.writerow(HEADINGS)
    waiting = jobs.select_related("department").iterator(chunk_size=AT_ONCE)
    while chunk := list(islice(waiting, AT_ONCE)):
        for row in rows(chunk, member, held):
            yield writer.writerow([plain(cell) for cell in _cells(row, as_of)])


def plain(cell: str) -> str:
    """Text that a spreadsheet shows as it is."""
    return f"'{cell}" if cell.lstrip(" ").startswith(_FORMULA) else cell


def _cells(row: Row, as_of: datetime | None) -> tuple[str, ...]:
    job = row.job
    return (
        job.name,
        job.requisition_id,
        str(job.remote_id),
        job.status,
        "yes" if job.confidential else "no",
        job.department.name if job.department else "",
        "; ".join(row.offices),
        "; ".join(row.recruiters),
        _date(job.opened_at),
        "" if row.openings_left is None else str(row.openings_left),
        str(row.active),
        row.stage_words,
        str(row.new),
        _date(row.waiting_since),
        _date(as_of),
    )


def _date(at: datetime | None) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%SZ") if at else ""
