"""Responds with a review: swapped in by HTMX, else by redirecting to it."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse

from portal.accounts.access import MemberRequest
from portal.applications.forms.preferences import ReviewPreferencesForm
from portal.applications.models import ApplicationAction, ReviewSession
from portal.applications.review import sessions
from portal.applications.review.review_page import build_review_context
from portal.applications.views.return_urls import get_review_session
from portal.entitlements.rules import Rights
from portal.web.htmx import redirect_page, wants_partial


def respond_in_review(
    request: MemberRequest,
    rights: Rights,
    *,
    undone: ApplicationAction | None = None,
    note: str = "",
    status: int = 200,
) -> HttpResponse:
    """The review that the request came from, where the person is now."""
    review_session = get_review_session(request, rights)
    if review_session is None:
        return redirect_page(request, reverse("applications:reviews"))
    if note:
        messages.error(request, note)
    undone_pk = "" if undone is None else str(undone.pk)
    if not request.htmx:
        url = sessions.build_review_url(review_session)
        return redirect(f"{url}?undone={undone_pk}" if undone_pk else url)
    return render_review(request, review_session, rights, undone_pk=undone_pk, status=status)


def render_review(
    request: MemberRequest,
    review_session: ReviewSession,
    rights: Rights,
    *,
    undone_pk: str = "",
    status: int = 200,
) -> HttpResponse:
    context: dict[str, Any] = build_review_context(review_session, rights, undone_pk=undone_pk)
    if wants_partial(request):
        template = "applications/review.html#review-part"
    else:
        template = "applications/review.html"
        context["preferences_form"] = ReviewPreferencesForm(instance=context["preferences"])
    response = render(request, template, context, status=status)
    response["Vary"] = "HX-Request"
    if wants_partial(request):
        response["HX-Retarget"], response["HX-Reswap"] = "#review", "outerHTML"
        response["HX-Push-Url"] = sessions.build_review_url(
            review_session, context["place"].position + 1
        )
    return response
