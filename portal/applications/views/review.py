"""Review: one application at a time, of one requisition or of many."""

from __future__ import annotations

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_POST, require_safe

from portal.accounts.access import MemberRequest, member_only
from portal.applications.actions import outbox
from portal.applications.forms.preferences import ReviewPreferencesForm
from portal.applications.models import ApplicationAction, ReviewSession
from portal.applications.page.rows import ApplicationRow
from portal.applications.review import sessions
from portal.applications.review.queue_list import build_queue_list
from portal.applications.review.queues import ReviewQueue, find_queue
from portal.applications.review.review_page import build_card_context, build_decisions_context
from portal.applications.views.lookups import get_available_actions_or_404
from portal.applications.views.return_urls import get_review_session
from portal.applications.views.review_responses import render_review
from portal.applications.views.row_responses import render_unavailable
from portal.entitlements.rules import Rights, get_rights, visible_jobs
from portal.web.id_parsing import parse_id
from portal.web.state_tokens import is_state_shown


@require_safe
@member_only
def list_reviews(request: MemberRequest) -> HttpResponse:
    """What can be reviewed across requisitions, and what was begun."""
    rights = get_rights(request.membership)
    return render(request, "applications/reviews.html", build_queue_list(rights))


@require_POST
@member_only
def start_review(request: MemberRequest) -> HttpResponse:
    rights = get_rights(request.membership)
    queue = find_queue(
        rights, request.POST.get("source", ""), parse_id(request.POST.get("view", ""))
    )
    if queue is None:
        raise Http404
    return _begin_review(request, queue)


@require_POST
@member_only
def start_job_review(request: MemberRequest, job_pk: int) -> HttpResponse:
    rights = get_rights(request.membership)
    visible = visible_jobs(request.membership, member_rights=rights)
    job = get_object_or_404(visible, pk=job_pk)
    return _begin_review(
        request,
        ReviewQueue(rights, ReviewSession.Source.JOB, job=job, query=request.POST.urlencode()),
    )


def _begin_review(request: MemberRequest, queue: ReviewQueue) -> HttpResponse:
    review_session = sessions.start_review_session(queue)
    if review_session is None:
        messages.info(request, f"Nothing to review in “{queue.label}” right now.")
        if queue.job is not None:
            return redirect("applications:job_detail", job_pk=queue.job.pk)
        return redirect("applications:reviews")
    return redirect(sessions.build_review_url(review_session))


@require_POST
@member_only
def restart_review(request: MemberRequest, pk: int) -> HttpResponse:
    review_session, _ = _get_session_or_404(request, pk)
    sessions.restart_session(review_session)
    return redirect(sessions.build_review_url(review_session))


@require_safe
@member_only
def show_review(request: MemberRequest, pk: int) -> HttpResponse:
    review_session, rights = _get_session_or_404(request, pk)
    _apply_position(request, review_session)
    return render_review(request, review_session, rights, undone_pk=request.GET.get("undone", ""))


def _get_session_or_404(request: MemberRequest, pk: int) -> tuple[ReviewSession, Rights]:
    rights = get_rights(request.membership)
    review_session = sessions.get_own_session(rights, pk)
    if review_session is None:
        raise Http404
    return review_session, rights


def _apply_position(request: MemberRequest, review_session: ReviewSession) -> None:
    position = request.GET.get("position", "")
    if position.isdecimal() and len(position) < 6:
        sessions.move_to_position(review_session, int(position) - 1)


@require_safe
@member_only
def review_card(request: MemberRequest, pk: int) -> HttpResponse:
    try:
        available_actions = get_available_actions_or_404(request, pk)
    except Http404:
        return render_unavailable(request, pk, "unavailable-card")
    review_session = get_review_session(request, available_actions.context.rights)
    if review_session is None:
        raise Http404
    latest_action = outbox.release_latest_action(available_actions.application, request.membership)
    context = build_card_context(available_actions, latest_action, review_session)
    row: ApplicationRow = context["row"]
    if row.is_busy and is_state_shown(request, row.state_token):
        return HttpResponse(status=204)
    context["out_of_band"] = True
    return render(request, "applications/review.html#review-card", context)


@require_safe
@member_only
def review_decisions(request: MemberRequest, pk: int) -> HttpResponse:
    review_session, rights = _get_session_or_404(request, pk)
    for action in sessions.list_decisions(review_session).filter(
        status=ApplicationAction.Status.SCHEDULED
    ):
        outbox.release_action(action)
    undone_pk = request.GET.get("undone", "")
    context = build_decisions_context(review_session, rights, undone_pk=undone_pk)
    if context["polls"] and is_state_shown(request, str(context["state_token"])):
        return HttpResponse(status=204)
    context["out_of_band"] = True
    return render(request, "applications/review.html#decisions", context)


@require_POST
@member_only
def save_preferences(request: MemberRequest) -> HttpResponse:
    """From a review, or from the page of preferences."""
    form = ReviewPreferencesForm(
        request.POST, instance=sessions.get_review_preferences(request.membership)
    )
    if form.is_valid():
        form.save()
        messages.success(request, "Saved.")
    else:
        messages.error(request, "Not saved. Words to highlight can have up to 300 characters.")
    review_session = get_review_session(request, get_rights(request.membership))
    if review_session is None:
        return redirect("applications:preferences")
    return redirect(sessions.build_review_url(review_session))
