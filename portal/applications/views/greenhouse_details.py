"""Stage history and contact details, read from Greenhouse on demand and never stored.
While Greenhouse is slow, the page says so and asks again by itself.
"""

from __future__ import annotations

from django.http import HttpResponse
from django.views.decorators.http import require_safe

from integrations.ats.types import Candidate, StageEntry
from portal.accounts.access import MemberRequest, member_only
from portal.applications.page.labels import get_candidate_label
from portal.applications.views.greenhouse_reads import read_from_greenhouse
from portal.applications.views.lookups import get_application_or_404
from portal.applications.views.read_failure import ReadFailure
from portal.applications.views.repeated_reads import answers_repeated_reads
from portal.sync.models import Stage
from portal.web.htmx import render_page_or_partial

PREFETCH_SECONDS = 60  # browser cache time of the next application's details


@answers_repeated_reads
@require_safe
@member_only
def stage_history(request: MemberRequest, pk: int) -> HttpResponse:
    """Browsers may cache the response, to prefetch the next application's."""
    application, member_rights = get_application_or_404(request, pk)
    history: tuple[StageEntry, ...] | ReadFailure
    if why_unavailable := member_rights.why_unavailable("stage_history"):
        history = ReadFailure(why_unavailable)
    else:
        history = read_from_greenhouse(
            request,
            application,
            lambda provider: provider.list_stage_history(application.remote_id),
        )
    context: dict[str, object] = {
        "application": application,
        "who": get_candidate_label(application, member_rights),
    }
    if isinstance(history, ReadFailure):
        context["failure"] = history
    else:
        names = dict(Stage.objects.filter(job=application.job).values_list("remote_id", "name"))
        context["entries"] = [(names.get(entry.stage_id, ""), entry) for entry in history]
    response = render_page_or_partial(
        request, "applications/stage_history.html", "stage-history", context
    )
    has_failed = isinstance(history, ReadFailure)
    response["Cache-Control"] = "no-store" if has_failed else f"private, max-age={PREFETCH_SECONDS}"
    return response


@answers_repeated_reads
@require_safe
@member_only
def contact(request: MemberRequest, pk: int) -> HttpResponse:
    """The candidate's email addresses, phone numbers and links, which are not stored."""
    application, member_rights = get_application_or_404(request, pk)
    candidate = application.candidate
    details: Candidate | ReadFailure | None = None
    if why_unavailable := member_rights.why_unavailable("candidates"):
        details = ReadFailure(why_unavailable)
    elif candidate is not None:
        details = read_from_greenhouse(
            request, application, lambda provider: provider.get_candidate(candidate.remote_id)
        )
    context: dict[str, object] = {
        "application": application,
        "who": get_candidate_label(application, member_rights),
    }
    if isinstance(details, ReadFailure):
        context["failure"] = details
    elif details is not None and not details.private:
        context |= {"contact": details, "links": [_build_link(link) for link in details.links]}
    response = render_page_or_partial(request, "applications/contact.html", "contact", context)
    response["Cache-Control"] = "no-store"
    return response


def _build_link(text: str) -> tuple[str, str]:
    """The link as text and as URL, which is empty unless it can be opened safely."""
    url = text if "://" in text else f"https://{text}"
    is_web_address = url.startswith(("https://", "http://")) and not any(map(str.isspace, url))
    return text, url if is_web_address else ""
