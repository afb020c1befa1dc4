from __future__ import annotations

from typing import Any

from django.http import HttpRequest

from portal.accounts.models import User
from portal.signin.models import SignOnRequest
from portal.support.access.roles import can_see_people
from portal.support.actions.customer_actions import HELP_PERMISSION
from portal.support.customers import desk
from portal.support.customers.summary_page import VIEW_PERMISSION


def build_context(request: HttpRequest) -> dict[str, Any]:
    """Context of the admin's front page; `desk` only for staff who may see customers."""
    may_see_people = can_see_people(request)
    context: dict[str, Any] = {
        "may_see_people": may_see_people,
        "sign_on_requests": _count_sign_on_requests(request),
    }
    if not (isinstance(request.user, User) and request.user.has_perm(VIEW_PERMISSION)):
        return context
    query = request.GET.get("q", "").strip()[:200]
    return {
        **context,
        "desk": desk.build_desk(request.user, may_help=request.user.has_perm(HELP_PERMISSION)),
        "query": query,
        "results": desk.search_customers_and_people(query, include_people=may_see_people)
        if query
        else None,
    }


def _count_sign_on_requests(request: HttpRequest) -> int:
    if not request.user.has_perm("signin.view_signonrequest"):
        return 0
    return SignOnRequest.objects.filter(state=SignOnRequest.State.REQUESTED).count()
