"""Stage history and résumés, read from Greenhouse on demand and never stored."""

from __future__ import annotations

from datetime import UTC, datetime

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.views.decorators.http import require_safe

from integrations.ats.client_context import Lane
from integrations.ats.errors import AtsError
from integrations.ats.types import Attachment
from portal.accounts.access import MemberRequest, member_only
from portal.applications.page.labels import get_candidate_label
from portal.applications.views.lookups import get_application_or_404
from portal.connections.client import open_provider
from portal.connections.models import Credential
from portal.core.secrets.secret_field import SecretUnreadable
from portal.sync.models import Application, Stage
from portal.web.htmx import render_page_or_partial

RESUME_TYPE = "resume"
PREFETCH_SECONDS = 60  # browser cache time of the next application's details


@require_safe
@member_only
def stage_history(request: MemberRequest, pk: int) -> HttpResponse:
    """Read live from Greenhouse and not stored; browsers may cache it to prefetch the next
    application.
    """
    application, member_rights = get_application_or_404(request, pk)
    context: dict[str, object] = {"application": application, "entries": ()}
    try:
        provider = open_provider(_get_credential(application), lane=Lane.PEOPLE)
        if not member_rights.why_unavailable("stage_history"):
            names = dict(Stage.objects.filter(job=application.job).values_list("remote_id", "name"))
            history = provider.list_stage_history(application.remote_id)
            context["entries"] = [
                (names.get(stage_entry.stage_id, ""), stage_entry) for stage_entry in history
            ]
    except (AtsError, SecretUnreadable) as error:
        context["failed"] = getattr(error, "sentence", "The credential must be entered again.")
    context["who"] = get_candidate_label(application, member_rights)
    response = render_page_or_partial(
        request, "applications/stage_history.html", "stage-history", context
    )
    response["Cache-Control"] = f"private, max-age={PREFETCH_SECONDS}"
    return response


def _get_credential(application: Application) -> Credential:
    credential = application.connection.credential
    if credential is None:
        raise SecretUnreadable
    return credential


@require_safe
@member_only
def open_resume(request: MemberRequest, pk: int) -> HttpResponse:
    """Redirect to the newest résumé by a short-lived Greenhouse link, which is not stored."""
    application, _ = get_application_or_404(request, pk)
    try:
        link = _get_resume_url(application)
    except AtsError as error:
        link, reason = None, error.sentence
    except SecretUnreadable:
        link, reason = None, "The Greenhouse credential must be entered again."
    else:
        reason = "Greenhouse has no résumé of this candidate."
    if link is None:
        messages.warning(request, reason)
        return redirect(reverse("applications:review", args=[application.job_id]))
    response = redirect(link)
    response["Cache-Control"] = "no-store"
    response["Referrer-Policy"] = "no-referrer"
    return response


def _get_resume_url(application: Application) -> str | None:
    if application.candidate is None:
        return None
    provider = open_provider(_get_credential(application), lane=Lane.PEOPLE)
    attachments = provider.list_attachments(application.candidate.remote_id)
    resumes = [
        attachment
        for attachment in attachments
        if attachment.type == RESUME_TYPE and attachment.url.startswith("https://")
    ]
    return max(resumes, key=_get_created_at).url if resumes else None


def _get_created_at(file: Attachment) -> datetime:
    """Missing dates sort as oldest."""
    return file.created_at or datetime.min.replace(tzinfo=UTC)
