"""Search across the portal: the page, and the results of the palette."""

from __future__ import annotations

from django.http import HttpResponse
from django.views.decorators.http import require_safe

from portal.accounts.access import MemberRequest, member_only
from portal.jobs.job_list.search import is_searchable_name
from portal.search.results import find_results
from portal.web.htmx import render_page_or_partial

MAX_QUERY_LENGTH = 200


@require_safe
@member_only
def show_results(request: MemberRequest) -> HttpResponse:
    query = request.GET.get("q", "").replace("\x00", "").strip()[:MAX_QUERY_LENGTH]
    context = {
        "query": query,
        "is_too_short": bool(query) and not is_searchable_name(query),
        "groups": find_results(request.membership, query),
    }
    return render_page_or_partial(request, "search/results.html", "options", context)
