"""The rarer actions on one application: a menu of its row, or a page without JavaScript."""

from __future__ import annotations

from django.http import HttpResponse
from django.views.decorators.http import require_safe

from portal.accounts.access import MemberRequest, member_only
from portal.applications.actions.latest_actions import get_latest_action
from portal.applications.page.rows import build_row
from portal.applications.views.lookups import get_available_actions_or_404
from portal.applications.views.return_urls import get_list_query, get_return_url
from portal.web.htmx import render_page_or_partial


@require_safe
@member_only
def show_more_actions(request: MemberRequest, pk: int) -> HttpResponse:
    available_actions = get_available_actions_or_404(request, pk)
    application, rights = available_actions.application, available_actions.context.rights
    context = {
        "row": build_row(available_actions, get_latest_action(application, request.membership)),
        "list_query": get_list_query(request),
        "back_url": get_return_url(request, application, rights),
    }
    response = render_page_or_partial(
        request, "applications/more_actions.html", "row-menu", context
    )
    response["HX-Retarget"], response["HX-Reswap"] = "#row-menu", "innerHTML"
    return response
