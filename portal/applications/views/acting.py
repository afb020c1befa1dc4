"""Acting in Greenhouse: whether the portal may do it in the reader's own name."""

from __future__ import annotations

from django.contrib import messages
from django.http import Http404, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_POST

from portal.accounts.access import MemberRequest, member_only
from portal.applications import acting
from portal.audit.noted import noted
from portal.connections import agree, partner
from portal.connections.leading import leads_to_greenhouse
from portal.entitlements.people import Standing, match


@require_http_methods(["GET", "HEAD", "POST"])
@member_only
@leads_to_greenhouse
def own(request: MemberRequest) -> HttpResponse:
    """What is so, and the button. POST goes to Greenhouse to agree."""
    if not partner.is_on():
        raise Http404
    found = match(request.membership)
    how = acting.acting(request.membership, found.connection)
    may = how.needed and found.standing == Standing.MATCHED
    if request.method == "POST":
        if not may or found.connection is None:
            return redirect("applications:acting")
        _noted(request, "consent.asked", "went to Greenhouse to let the portal act in their name")
        to = agree.ask(request.membership, found.connection, request.session, own=True)
        return HttpResponseRedirect(to)
    context = {
        "how": how,
        "may": may,
        "match": found,
        "consent": acting.own_consent(request.membership),
    }
    return render(request, "applications/acting.html", context)


@require_POST
@member_only
def take_back(request: MemberRequest) -> HttpResponse:
    """End one's own consent here and, where Greenhouse takes that, there."""
    if not partner.is_on():
        raise Http404
    if acting.take_back(request.membership, by=request.membership.user):
        _noted(request, "consent.taken_back", "took back that the portal acts in their name")
        messages.success(request, "The portal no longer acts in Greenhouse in your name.")
    return redirect("applications:acting")


def _noted(request: MemberRequest, verb: str, words: str) -> None:
    noted(
        request,
        verb,
        words,
        subject=request.membership,
    )
