"""What somebody reads who opens a requisition, or a part of one, that is not there for them."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.defaults import page_not_found

from portal.accounts.access import membership_of
from portal.entitlements.rules import rights, why_nothing
from portal.jobs import states

_ROOMS = {"jobs", "applications"}


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """The portal's 404. While no requisition is shown to the reader at all, it says why.

    It never looks at what was asked for: it is the same for what exists and for what does not.
    """
    match = request.resolver_match
    member = membership_of(request) if match and match.namespace in _ROOMS else None
    if member is not None:
        held = rights(member)
        state = states.of_list(held)
        if not state.shows_list:
            context = {
                "state": state,
                "why_nothing": why_nothing(held),
                "admins": states.admins(member),
            }
            return render(request, "jobs/nothing.html", context, status=404)
    return page_not_found(request, exception)
