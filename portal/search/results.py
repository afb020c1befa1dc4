"""What a member's search finds: only what they may see, and never how much else there is."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from django.db.models import QuerySet
from django.urls import reverse

from portal.accounts.models import Membership
from portal.core import links
from portal.core.names.search_keys import match_title, matches_text
from portal.core.names.text import format_person_name, format_unnamed
from portal.entitlements.rules import Rights, get_rights, visible_jobs
from portal.jobs.job_list.search import is_in_any, is_searchable_name
from portal.jobs.job_page.details import get_job_url
from portal.jobs.saved_views import SavedViews
from portal.search.candidates import find_named_applications
from portal.search.pages import PAGES
from portal.sync.models import Job
from portal.web.id_parsing import parse_id
from portal.web.row_urls import reverse_cached

MAX_RESULTS = 6


@dataclass(frozen=True)
class SearchResult:
    label: str
    url: str
    note: str = ""


@dataclass(frozen=True)
class ResultGroup:
    key: str
    label: str
    icon: str
    results: list[SearchResult] = field(default_factory=list)


def find_results(member: Membership, query: str) -> list[ResultGroup]:
    """The groups that have results. Without a query: saved views and pages."""
    groups = [
        ResultGroup("views", "Saved views", "bookmark", _find_saved_views(member, query)),
        ResultGroup("pages", "Pages", "list", _find_pages(member, query)),
    ]
    if query:
        rights = get_rights(member)
        groups = [
            ResultGroup("jobs", "Requisitions", "briefcase", _find_jobs(rights, query)),
            ResultGroup("candidates", "Candidates", "user", _find_candidates(rights, query)),
            *groups,
        ]
    return [group for group in groups if group.results]


def _find_jobs(rights: Rights, query: str) -> list[SearchResult]:
    """Open requisitions first, then closed ones. A shorter query would scan all of them."""
    if not is_searchable_name(query):
        return []
    visible = visible_jobs(rights.member, member_rights=rights, closed=True)
    jobs = visible.filter(is_in_any(_match_jobs(rights, query))).order_by("-status", "name", "pk")
    columns = ("name", "status", "requisition_id", "confidential")
    return [
        SearchResult(job.name, get_job_url(job), _describe_job(job))
        for job in jobs.only(*columns)[:MAX_RESULTS]
    ]


def _match_jobs(rights: Rights, query: str) -> list[QuerySet[Job, Any]]:
    """Each uses its own index, where one condition would walk through the jobs by name."""
    own_jobs = Job.objects.filter(connection=rights.match.connection).order_by().values("pk")
    matches = [
        own_jobs.filter(match_title(query)),
        own_jobs.filter(requisition_id__icontains=query),
    ]
    if (remote_id := parse_id(query)) is not None:
        matches.append(own_jobs.filter(remote_id=remote_id))
    return matches


def _describe_job(job: Job) -> str:
    parts = [job.requisition_id]
    if job.confidential:
        parts.append("Confidential")
    if not job.is_open:
        parts.append("Closed")
    return " · ".join(filter(None, parts))


def _find_candidates(rights: Rights, query: str) -> list[SearchResult]:
    """Applications on open requisitions, each with a page of its own."""
    rows = find_named_applications(rights, query)
    results = [
        SearchResult(
            format_person_name(row.first_name, row.last_name, row.preferred_name)
            or format_unnamed(row.remote_id),
            reverse_cached(links.APPLICANT_PAGE, row.pk),
            " · ".join(filter(None, (row.job_name, row.stage_name))),
        )
        for row in rows
    ]
    return _take_best(results, query)


def _find_saved_views(member: Membership, query: str) -> list[SearchResult]:
    url = reverse(links.JOB_LIST)
    views = [
        SearchResult(view.name, f"{url}?{view.query or 'status=open'}")
        for view in SavedViews(member).list_all()
        if matches_text(view.name, query)
    ]
    return _take_best(views, query)


def _find_pages(member: Membership, query: str) -> list[SearchResult]:
    pages = [
        SearchResult(page.label, reverse(page.url_name))
        for page in PAGES
        if page.is_open_to(member) and matches_text(f"{page.label} {page.other_names}", query)
    ]
    return _take_best(pages, query) if query else pages


def _take_best(results: Iterable[SearchResult], query: str) -> list[SearchResult]:
    """Names that begin with the query first, then by name."""
    return sorted(results, key=_rank_by(query))[:MAX_RESULTS]


def _rank_by(query: str) -> Callable[[SearchResult], tuple[bool, str, str]]:
    start = query.casefold()
    return lambda result: (
        not result.label.casefold().startswith(start),
        result.label.casefold(),
        result.note,
    )
