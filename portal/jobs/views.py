"""The list of requisitions that Greenhouse lets the reader see."""

from __future__ import annotations

from django.core.paginator import Paginator
from django.db.models import Count, Q, QuerySet
from django.http import HttpResponse
from django.views.decorators.http import require_safe

from integrations.ats.types import ApplicationStatus
from portal.accounts.access import MemberRequest, member_only
from portal.core.htmx import page_or_part, summary
from portal.entitlements.rules import rights, visible_jobs, why_nothing
from portal.mirror.models import Job
from portal.mirror.sync import last_good

PER_PAGE = 50


@require_safe
@member_only
def requisitions(request: MemberRequest) -> HttpResponse:
    """Open requisitions, searched by name or requisition id."""
    held = rights(request.membership)
    words = request.GET.get("q", "").strip()
    jobs = matching(visible_jobs(request.membership, held=held), words)
    page = Paginator(jobs, PER_PAGE).get_page(request.GET.get("page"))
    connection = held.match.connection
    context = {
        "page": page,
        "summary": summary(page),
        "words": words,
        "held": held,
        "why_nothing": why_nothing(held),
        "last_sync": last_good(connection) if connection else None,
    }
    return page_or_part(request, "jobs/list.html", "job-table", context)


def matching(jobs: QuerySet[Job], words: str) -> QuerySet[Job]:
    """Narrowed to what was typed, with the number of active applications, by name."""
    if words:
        found = Q(name__icontains=words) | Q(requisition_id__icontains=words)
        if words.isdecimal() and len(words) < 19:
            found |= Q(remote_id=int(words))
        jobs = jobs.filter(found)
    waiting = Count(
        "applications",
        filter=Q(
            applications__status=ApplicationStatus.ACTIVE,
            applications__gone_at=None,
            applications__candidate__private=False,
        ),
    )
    return jobs.annotate(waiting=waiting).order_by("name", "id")
