"""Stage history, contact details and résumés, read from Greenhouse on demand and never stored.
While Greenhouse is slow, the page says so and asks again by itself.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TypeVar

from django.conf import settings
from django.http import HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_safe

from integrations.ats.client_context import Lane
from integrations.ats.errors import SLOW_SENTENCE, AtsError, AtsUnavailable, RateLimited
from integrations.ats.provider import Provider
from integrations.ats.types import Attachment, Candidate, StageEntry
from portal.accounts.access import MemberRequest, member_only
from portal.applications.error_sentences import explain_error
from portal.applications.page.labels import get_candidate_label
from portal.applications.views.lookups import get_application_or_404
from portal.connections.client import open_provider
from portal.core.secrets.secret_field import SecretUnreadable
from portal.sync.models import Application, Stage
from portal.web.htmx import redirect_page, render_page_or_partial

T = TypeVar("T")

RESUME_TYPE = "resume"
PREFETCH_SECONDS = 60  # browser cache time of the next application's details
MIN_RETRY_SECONDS, MAX_RETRY_SECONDS = 1, 15


@dataclass(frozen=True)
class _ReadFailure:
    sentence: str
    retry_seconds: int = 0  # 0: asking again would not help


def _read_from_greenhouse(
    request: MemberRequest, application: Application, read: Callable[[Provider], T]
) -> T | _ReadFailure:
    credential = application.connection.credential
    try:
        if credential is None:
            raise SecretUnreadable
        return read(
            open_provider(credential, lane=Lane.PEOPLE, patience=settings.WEB_DEADLINE_SECONDS)
        )
    except (AtsUnavailable, RateLimited) as error:
        return _ReadFailure(SLOW_SENTENCE, _compute_retry_seconds(error))
    except (AtsError, SecretUnreadable) as error:
        return _ReadFailure(explain_error(error, request.membership))


def _compute_retry_seconds(error: AtsError) -> int:
    retry_at = error.retry_at or timezone.now()
    seconds = round((retry_at - timezone.now()).total_seconds())
    return min(MAX_RETRY_SECONDS, max(MIN_RETRY_SECONDS, seconds))


@require_safe
@member_only
def stage_history(request: MemberRequest, pk: int) -> HttpResponse:
    """Browsers may cache the response, to prefetch the next application's."""
    application, member_rights = get_application_or_404(request, pk)
    history: tuple[StageEntry, ...] | _ReadFailure
    if why_unavailable := member_rights.why_unavailable("stage_history"):
        history = _ReadFailure(why_unavailable)
    else:
        history = _read_from_greenhouse(
            request,
            application,
            lambda provider: provider.list_stage_history(application.remote_id),
        )
    context: dict[str, object] = {
        "application": application,
        "who": get_candidate_label(application, member_rights),
    }
    if isinstance(history, _ReadFailure):
        context["failure"] = history
    else:
        names = dict(Stage.objects.filter(job=application.job).values_list("remote_id", "name"))
        context["entries"] = [(names.get(entry.stage_id, ""), entry) for entry in history]
    response = render_page_or_partial(
        request, "applications/stage_history.html", "stage-history", context
    )
    has_failed = isinstance(history, _ReadFailure)
    response["Cache-Control"] = "no-store" if has_failed else f"private, max-age={PREFETCH_SECONDS}"
    return response


@require_safe
@member_only
def contact(request: MemberRequest, pk: int) -> HttpResponse:
    """The candidate's email addresses, phone numbers and links, which are not stored."""
    application, member_rights = get_application_or_404(request, pk)
    candidate = application.candidate
    details: Candidate | _ReadFailure | None = None
    if why_unavailable := member_rights.why_unavailable("candidates"):
        details = _ReadFailure(why_unavailable)
    elif candidate is not None:
        details = _read_from_greenhouse(
            request, application, lambda provider: provider.get_candidate(candidate.remote_id)
        )
    context: dict[str, object] = {
        "application": application,
        "who": get_candidate_label(application, member_rights),
    }
    if isinstance(details, _ReadFailure):
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


@require_safe
@member_only
def open_resume(request: MemberRequest, pk: int) -> HttpResponse:
    """Redirect to the newest résumé by a short-lived Greenhouse link, which is not stored."""
    application, member_rights = get_application_or_404(request, pk)
    url = _get_resume_url(request, application)
    if not isinstance(url, str):
        context = {
            "application": application,
            "who": get_candidate_label(application, member_rights),
            "failure": url or _ReadFailure("This candidate has no résumé in Greenhouse."),
        }
        response = render_page_or_partial(request, "applications/resume.html", "resume", context)
    else:
        response = redirect_page(request, url)
        response["Referrer-Policy"] = "no-referrer"
    response["Cache-Control"] = "no-store"
    return response


@require_safe
@member_only
def resume_link(request: MemberRequest, pk: int) -> HttpResponse:
    """The link to the résumé, or that there is none. What cannot be read now keeps the link, which
    says why when it is opened.
    """
    application, _ = get_application_or_404(request, pk)
    has_resume = _get_resume_url(request, application) is not None
    context = {"application": application, "has_resume": has_resume}
    response = render(request, "applications/_resume_link.html", context)
    response["Cache-Control"] = f"private, max-age={PREFETCH_SECONDS}"
    return response


def _get_resume_url(request: MemberRequest, application: Application) -> str | _ReadFailure | None:
    """None if there is no résumé."""
    candidate = application.candidate
    attachments = (
        _read_from_greenhouse(
            request, application, lambda provider: provider.list_attachments(candidate.remote_id)
        )
        if candidate
        else ()
    )
    if isinstance(attachments, _ReadFailure):
        return attachments
    resumes = [
        attachment
        for attachment in attachments
        if attachment.type == RESUME_TYPE and attachment.url.startswith("https://")
    ]
    return max(resumes, key=_get_created_at).url if resumes else None


def _get_created_at(file: Attachment) -> datetime:
    """Missing dates sort as oldest."""
    return file.created_at or datetime.min.replace(tzinfo=UTC)
