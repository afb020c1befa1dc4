"""Activity lists: by member and by application."""

from __future__ import annotations

from urllib.parse import urlencode

from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from portal.accounts.access import MemberRequest, member_only
from portal.applications.models import ApplicationAction
from portal.applications.page.activity_entries import build_activity_entries, build_entries_token
from portal.applications.page.labels import get_candidate_label
from portal.applications.views.lookups import get_application_or_404
from portal.entitlements.rules import get_rights, visible_applications
from portal.web.htmx import render_page_or_partial
from portal.web.list_visits import ListVisit, PagedList
from portal.web.state_tokens import is_state_shown

PER_PAGE = 50


@require_safe
@member_only
def my_activity(request: MemberRequest) -> HttpResponse:
    """The reader's actions on applications they may still see, including closed jobs."""
    member_rights = get_rights(request.membership)
    actions = ApplicationAction.objects.filter(
        membership=request.membership,
        application__in=visible_applications(
            request.membership, member_rights=member_rights, closed=True
        ),
    ).select_related(
        "application__candidate", "application__job", "application__stage", "membership__user"
    )
    activity_list = PagedList("activity", ordered=actions, shown=actions, size=PER_PAGE)
    page = ListVisit(activity_list, request.GET, request.membership).load_page()
    entries = build_activity_entries(page.object_list, request.membership, member_rights)
    state_token = build_entries_token(entries)
    is_polling = any(entry.is_busy for entry in entries)
    if is_polling and is_state_shown(request, state_token):
        return HttpResponse(status=204)
    context = {
        "page": page,
        "activity_entries": entries,
        "origin": "activity",
        "list_query": urlencode(page.list_params),
        "polls": is_polling,
        "waits": all(entry.is_waiting for entry in entries if entry.is_busy),
        "state_token": state_token,
    }
    return render_page_or_partial(request, "applications/my_activity.html", "activity", context)


@require_safe
@member_only
def application_history(request: MemberRequest, pk: int) -> HttpResponse:
    application, member_rights = get_application_or_404(request, pk, closed=True)
    actions = application.actions.select_related(
        "application__candidate", "application__job", "application__stage", "membership__user"
    )[:200]
    context = {
        "application": application,
        "activity_entries": build_activity_entries(actions, request.membership, member_rights),
        "origin": "history",
        "who": get_candidate_label(application, member_rights),
    }
    return render(request, "applications/application_history.html", context)
