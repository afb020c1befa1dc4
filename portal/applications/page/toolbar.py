"""The toolbar above a requisition's applications: search, sort order, filters and saved views."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlencode

from django.http import QueryDict

from portal.applications.page.application_list import (
    ApplicationList,
    get_default_status,
    restrict_filters,
)
from portal.applications.page.filter_options import list_offered_answers
from portal.applications.page.filters import (
    DEFAULT_SORT,
    NEEDS_DECISION,
    SORT_ORDERS,
    STATUS_LABELS,
    ApplicationFilters,
    drop_search,
    parse_filters,
    shows_status_column,
)
from portal.applications.page.labels import may_show_names
from portal.entitlements.rules import Rights
from portal.jobs.job_list.filter_options import render_options
from portal.jobs.saved_views import ViewQuery

SORT_LABELS = {
    DEFAULT_SORT: "Latest activity",
    "activity": "Oldest activity",
    "name": "Name, A to Z",
    "-name": "Name, Z to A",
    "-applied": "Newest applications",
    "applied": "Oldest applications",
    "due": "Closest to missing the promise",
    "-days": "Longest in stage",
    "days": "Shortest in stage",
    "stage": "Stage, first to last",
    "-stage": "Stage, last to first",
    "status": "Status, A to Z",
    "-status": "Status, Z to A",
    "source": "Source, A to Z",
    "-source": "Source, Z to A",
}
# Name and label of each column, and the order that a first click on it sorts by.
_COLUMNS = (
    ("candidate", "Candidate", "name"),
    ("role", "Role", ""),
    ("stage", "Stage", "stage"),
    ("state", "Status", "status"),
    ("applied", "Applied", "-applied"),
    ("activity", "Last activity", DEFAULT_SORT),
)


@dataclass(frozen=True)
class Link:
    label: str
    query: str
    is_current: bool = False
    sorted: str = ""  # as for aria-sort
    name: str = ""


def build_filter_context(application_list: ApplicationList) -> dict[str, Any]:
    filters = application_list.filters
    return {"filters": filters, "unfiltered_query": urlencode({"status": filters.status})}


def build_toolbar_context(
    application_list: ApplicationList, *, knows_decisions: bool
) -> dict[str, Any]:
    """`knows_decisions`: whether Greenhouse says of an active application if it needs one."""
    filters = application_list.filters
    return build_filter_context(application_list) | {
        "sorts": render_options(_list_sorts(application_list).items(), filters.order.key),
        "may_search": may_show_names(application_list.rights),
        "is_filtered": bool(filters.search or filters.filter_count),
        "status_links": _build_status_links(application_list, knows_decisions=knows_decisions),
        "columns": _build_columns(application_list),
        "shows_status": shows_status_column(filters.status),
        "any_status_query": replace(filters, status="").query,
        "can_save_view": not drop_search(filters).is_default(application_list.default_status),
    }


def normalize_view_query(query: str, application_list: ApplicationList) -> ViewQuery:
    """Store neither search terms nor answers that only a single candidate may have given."""
    job, rights = application_list.job, application_list.rights
    parsed = parse_filters(QueryDict(query), get_default_status(job))
    filters = drop_search(restrict_filters(parsed, rights))
    if filters.answers:
        offered = list_offered_answers(application_list)
        kept_answers = tuple(answer for answer in filters.answers if answer in offered)
        filters = replace(filters, answers=kept_answers)
    return ViewQuery(
        filters.query,
        is_empty=filters.is_default(application_list.default_status),
        drops_search=bool(parsed.search),
    )


def _list_sorts(application_list: ApplicationList) -> Mapping[str, str]:
    return {
        key: label
        for key, label in SORT_LABELS.items()
        if _can_sort_by(key, application_list.rights)
    }


def _can_sort_by(key: str, rights: Rights) -> bool:
    filters = ApplicationFilters(order=SORT_ORDERS[key])
    return restrict_filters(filters, rights).order.key == key


def _build_status_links(application_list: ApplicationList, *, knows_decisions: bool) -> list[Link]:
    """They keep the other filters, except for the stage: the stages show who is active."""
    filters = application_list.filters
    labels = dict(STATUS_LABELS)
    if not (knows_decisions or _has_decisions(application_list)):
        del labels[NEEDS_DECISION]
    return [
        Link(
            label,
            replace(filters, status=status, stage=None).query,
            is_current=status == filters.status and not filters.stage,
        )
        for status, label in labels.items()
    ]


def _has_decisions(application_list: ApplicationList) -> bool:
    """Whether a decision is needed is known with Harvest v3 only."""
    return application_list.visible.filter(needs_decision__isnull=False).exists()


def _build_columns(application_list: ApplicationList) -> list[Link]:
    filters = application_list.filters
    column = filters.order.key.removeprefix("-")
    links = []
    for name, label, first_key in _COLUMNS:
        if name == "state" and not shows_status_column(filters.status):
            continue
        if not first_key or not _can_sort_by(first_key, application_list.rights):
            links.append(Link(label, "", name=name))
            continue
        sort_name = first_key.removeprefix("-")
        is_sorted = column == sort_name
        opposite_key = sort_name if filters.order.key.startswith("-") else f"-{sort_name}"
        key = opposite_key if is_sorted else first_key
        direction = "descending" if filters.order.descending else "ascending"
        query = replace(filters, order=SORT_ORDERS[key]).query
        links.append(Link(label, query, sorted=direction if is_sorted else "", name=name))
    return links
