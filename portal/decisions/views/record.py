"""A requisition's decision record: on screen, to print, and as CSV."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

from django.http import HttpResponse, StreamingHttpResponse
from django.template.loader import render_to_string
from django.utils import timezone
from django.views.decorators.http import require_safe

from portal.accounts.access import MemberRequest, member_only
from portal.audit.member_actions import record_member_action
from portal.audit.presentation import JOB_KEY
from portal.decisions import csv_export, retention
from portal.decisions.rows import DecisionRow, RowBuilder
from portal.decisions.visible_decisions import visible_decisions
from portal.entitlements.rules import Rights, get_rights
from portal.jobs.job_page.lookup import get_visible_job_or_404
from portal.sync.models import Job
from portal.web.csv_rows import build_csv_response
from portal.web.htmx import render_page_or_partial
from portal.web.list_visits import ListVisit, PagedList

PER_PAGE = 50
PRINT_CHUNK_SIZE = 100
_ROWS_MARKER = "<!-- decisions -->"


@dataclass(frozen=True)
class JobRecord:
    job: Job
    rights: Rights


def _get_record_or_404(request: MemberRequest, job_pk: int) -> JobRecord:
    """Of an open or closed requisition."""
    rights = get_rights(request.membership)
    return JobRecord(get_visible_job_or_404(job_pk, rights), rights)


@require_safe
@member_only
def show_record(request: MemberRequest, job_pk: int) -> HttpResponse:
    record = _get_record_or_404(request, job_pk)
    decisions = visible_decisions(record.job, record.rights)
    paged_list = PagedList(
        f"decisions:{record.job.pk}",
        ordered=decisions.order_by("-number"),
        shown=decisions,
        size=PER_PAGE,
    )
    page = ListVisit(paged_list, request.GET, request.membership).load_page()
    builder = RowBuilder(record.job, record.rights)
    context = _build_context(record) | {
        "page": page,
        "rows": builder.build(page.object_list),
        "open_rows": builder.list_open() if page.number == 1 else [],
    }
    return render_page_or_partial(request, "decisions/record.html", "decisions", context)


@require_safe
@member_only
def print_record(request: MemberRequest, job_pk: int) -> StreamingHttpResponse:
    """The whole record as one page, sent as it is read."""
    record = _get_record_or_404(request, job_pk)
    _log_export(request, record, "printed")
    context = _build_context(record) | {"exported_at": timezone.now()}
    frame = render_to_string("decisions/print.html", context, request)
    head, _, foot = frame.partition(_ROWS_MARKER)
    response = StreamingHttpResponse(
        _stream_page(head, RowBuilder(record.job, record.rights).iterate(), foot)
    )
    response["Cache-Control"] = "no-store"
    return response


def _stream_page(head: str, rows: Iterator[DecisionRow], foot: str) -> Iterator[str]:
    yield head
    count = 0
    while chunk := list(islice(rows, PRINT_CHUNK_SIZE)):
        count += len(chunk)
        yield render_to_string("decisions/_decisions.html", {"rows": chunk, "is_print": True})
    if not count:
        yield render_to_string("decisions/_no_decisions.html")
    yield foot


@require_safe
@member_only
def export_csv(request: MemberRequest, job_pk: int) -> StreamingHttpResponse:
    record = _get_record_or_404(request, job_pk)
    _log_export(request, record, "exported")
    cells = csv_export.list_cells(RowBuilder(record.job, record.rights).iterate())
    return build_csv_response(f"decisions-{record.job.remote_id}", csv_export.HEADINGS, cells)


def _log_export(request: MemberRequest, record: JobRecord, how: str) -> None:
    record_member_action(
        request,
        f"decision_record.{how}",
        f"{how} a requisition's decision record",
        after={JOB_KEY: record.job.remote_id},
    )


def _build_context(record: JobRecord) -> dict[str, Any]:
    organization = record.rights.member.organization
    return {"job": record.job, "years": retention.get_years(organization)}
