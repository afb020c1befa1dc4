"""Where a request came from and returns to: built from the page kind and list query the browser
sent, never a URL from the browser.
"""

from __future__ import annotations

from urllib.parse import urlencode

from django.http import QueryDict
from django.urls import reverse

from portal.accounts.access import MemberRequest
from portal.applications.models import ApplicationAction
from portal.applications.page.filters import get_list_params
from portal.applications.review import sessions
from portal.applications.views.lookups import get_job_or_404
from portal.sync.models import Application


def get_origin(request: MemberRequest) -> str:
    """The kind of page: review, applicant, activity or history; empty for a job's page."""
    return request.POST.get("origin") or request.GET.get("origin") or ""


def get_list_query(request: MemberRequest) -> str:
    return request.POST.get("list_query") or request.GET.get("list_query") or ""


def get_return_url(request: MemberRequest, application: Application) -> str:
    job = get_job_or_404(application)
    origin = get_origin(request)
    if origin == "review":
        return reverse("applications:review", args=[job.pk])
    list_params = get_list_params(QueryDict(get_list_query(request)))
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


def get_undone_review_url(request: MemberRequest, action: ApplicationAction) -> str:
    """The review where the person is, saying that this decision was undone."""
    return f"{get_return_url(request, action.application)}?undone={action.pk}"


def get_next_review_url(request: MemberRequest, application: Application) -> str:
    """The review, at the application after this one."""
    job = get_job_or_404(application)
    url = reverse("applications:review", args=[job.pk])
    review_session = sessions.get_review_session(request.membership, job)
    if review_session is None or application.pk not in review_session.application_ids:
        return url
    return f"{url}?position={review_session.application_ids.index(application.pk) + 2}"
