"""What a saved view stores of the requisition list's query."""

from __future__ import annotations

from dataclasses import replace

from django.db.models import QuerySet
from django.http import QueryDict

from portal.connections.models import Connection
from portal.jobs.job_list.filters import add_query, parse_filters
from portal.jobs.job_list.search import matches_job_itself
from portal.jobs.saved_views import ViewQuery
from portal.sync.models import Job


def normalize_view_query(
    query: str, visible: QuerySet[Job], connection: Connection | None
) -> ViewQuery:
    """Drop search terms that may be a candidate's name, which would outlast its erasure."""
    filters = parse_filters(QueryDict(query))
    search = filters.search
    is_safe = not search or search.isdecimal() or matches_job_itself(visible, search, connection)
    if not is_safe:
        filters = add_query(replace(filters, search=""))
    return ViewQuery(filters.query, is_empty=not filters.query, drops_search=not is_safe)
