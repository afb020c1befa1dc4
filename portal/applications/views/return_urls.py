"""Where a request came from and returns to: built from the page kind and list query the browser
sent, never a URL from the browser.
"""

from __future__ import annotations

from urllib.parse import urlencode

from django.http import QueryDict
from django.urls import reverse

from portal.accounts.access import MemberRequest
from portal.applications.models import ReviewSession
from portal.applications.page.filters import get_list_params
from portal.applications.review import sessions
from portal.applications.views.lookups import get_job_or_404
from portal.entitlements.rules import Rights
from portal.sync.models import Application
from portal.web.id_parsing import parse_id

REVIEW_PREFIX = "review-"  # before the session's ID


def get_origin(request: MemberRequest) -> str:
    """The kind of page: review, applicant, activity or history; empty for a job's page."""
    return "review" if get_review_id(request) is not None else get_origin_value(request)


def get_origin_value(request: MemberRequest) -> str:
    """As it was sent, for the forms of the next page."""
    return request.POST.get("origin") or request.GET.get("origin") or ""


def get_review_id(request: MemberRequest) -> int | None:
    value = get_origin_value(request)
    return parse_id(value.removeprefix(REVIEW_PREFIX)) if value.startswith(REVIEW_PREFIX) else None


def get_review_session(request: MemberRequest, rights: Rights) -> ReviewSession | None:
    """The person's own review that the request came from, if they may still see it."""
    pk = get_review_id(request)
    return None if pk is None else sessions.get_own_session(rights, pk)


def get_list_query(request: MemberRequest) -> str:
    return request.POST.get("list_query") or request.GET.get("list_query") or ""


def get_return_url(request: MemberRequest, application: Application, rights: Rights) -> str:
    job = get_job_or_404(application)
    origin = get_origin(request)
    if origin == "review":
        review_session = get_review_session(request, rights)
        if review_session is None:
            return reverse("applications:reviews")
        return sessions.build_review_url(review_session)
    list_params = get_list_params(QueryDict(get_list_query(request)))
    if origin == "pending":
        return reverse("applications:pending_rejections")
    if origin == "activity":
        query = f"?{urlencode(list_params)}" if list_params else ""
        return f"{reverse('applications:my_activity')}{query}"
    if origin == "applicant":
        return f"{reverse('applications:applicant', args=[application.pk])}#decision"
    if origin == "history":
        return reverse("applications:history", args=[application.pk])
    query = urlencode([*list_params, ("return_to", application.pk)])
    job_url = reverse("applications:job_detail", args=[job.pk])
    return f"{job_url}?{query}#application-{application.pk}"
