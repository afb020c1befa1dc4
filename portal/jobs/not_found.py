from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.defaults import page_not_found

from portal.accounts.access import get_membership
from portal.entitlements.rules import explain_no_access, get_rights
from portal.jobs.job_list import empty_states

_NAMESPACES = {"jobs", "applications"}


def handle_not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """404 handler; tells members who see no requisitions why, whatever they requested."""
    match = request.resolver_match
    member = get_membership(request) if match and match.namespace in _NAMESPACES else None
    if member is not None:
        member_rights = get_rights(member)
        state = empty_states.get_list_state(member_rights)
        if not state.shows_list:
            context = {
                "state": state,
                "why_nothing": explain_no_access(member_rights),
                "rights": member_rights,
            }
            return render(request, "jobs/not_found.html", context, status=404)
    return page_not_found(request, exception)
