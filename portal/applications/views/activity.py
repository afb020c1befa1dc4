"""What was done here: on one application, and by one person."""

from __future__ import annotations

from django.core.paginator import Paginator
from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from portal.accounts.access import MemberRequest, member_only
from portal.applications.deeds import deeds
from portal.applications.models import ApplicationAction
from portal.applications.naming import who
from portal.applications.narrowing import list_words
from portal.applications.views.base import application_of
from portal.core.htmx import page_or_part, summary
from portal.entitlements.rules import rights, visible_applications

PER_PAGE = 50


@require_safe
@member_only
def mine(request: MemberRequest) -> HttpResponse:
    """Everything the reader did, on applications that they may still see, of closed jobs too."""
    held = rights(request.membership)
    actions = ApplicationAction.objects.filter(
        membership=request.membership,
        application__in=visible_applications(request.membership, held=held, closed=True),
    ).select_related(
        "application__candidate", "application__job", "application__stage", "membership__user"
    )
    page = Paginator(actions, PER_PAGE).get_page(request.GET.get("page"))
    context = {
        "page": page,
        "summary": summary(page),
        "deeds": deeds(page.object_list, request.membership, held),
        "came_from": "activity",
        "listed": list_words(request.GET),
        "polls": any(action.is_open for action in page.object_list),
    }
    return page_or_part(request, "applications/my_activity.html", "activity", context)


@require_safe
@member_only
def history(request: MemberRequest, pk: int) -> HttpResponse:
    """Everything that was done here with one application, by anybody."""
    application, held = application_of(request, pk)
    actions = application.actions.select_related(
        "application__candidate", "application__job", "application__stage", "membership__user"
    )[:200]
    context = {
        "application": application,
        "deeds": deeds(actions, request.membership, held),
        "came_from": "history",
        "who": who(application, held),
    }
    return render(request, "applications/history.html", context)
