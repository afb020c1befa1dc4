"""Saved views: saving, sharing with the organization, and copying what others share."""

from __future__ import annotations

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_POST

from portal.accounts.access import MemberRequest, member_only
from portal.audit.member_actions import record_member_action
from portal.audit.presentation import JOB_KEY
from portal.entitlements.rules import get_rights, visible_jobs
from portal.jobs.forms import SaveViewForm
from portal.jobs.job_list.view_queries import normalize_view_query
from portal.jobs.job_page.details import get_job_url
from portal.jobs.models import SavedView
from portal.jobs.saved_views import SavedViews, ViewLimitReached, ViewNotShareable
from portal.sync.models import Job

SEARCH_NOT_SAVED_MESSAGE = (
    "The search terms weren't saved: they match no title, ID or office, so they may be a "
    "candidate's name."
)


@require_POST
@member_only
def save_view(request: MemberRequest) -> HttpResponse:
    visible = visible_jobs(request.membership, closed=True)
    connection = get_rights(request.membership).match.connection
    form = SaveViewForm(
        request.POST,
        SavedViews(request.membership),
        lambda query: normalize_view_query(query, visible, connection),
    )
    list_url = reverse("jobs:list")
    if not form.is_valid():
        context = {"form": form, "list_url": list_url, "save_url": reverse("jobs:save_view")}
        return render(request, "jobs/save_view.html", context, status=422)
    view = form.save()
    notice = f" {SEARCH_NOT_SAVED_MESSAGE}" if form.view_query.drops_search else ""
    messages.success(request, f"Saved as “{view.name}”.{notice}")
    return redirect(f"{list_url}?{view.query}")


@require_POST
@member_only
def update_saved_view(request: MemberRequest, pk: int) -> HttpResponse:
    own_views = SavedView.objects.filter(membership=request.membership).select_related("job")
    view = get_object_or_404(own_views, pk=pk)
    action = request.POST.get("action")
    if action == "delete":
        view.delete()
        messages.success(request, f"“{view.name}” deleted.")
    elif action in {"set_default", "clear_default"}:
        saved_views = SavedViews(request.membership, view.job)
        saved_views.set_default(view if action == "set_default" else None)
        status = "now" if action == "set_default" else "no longer"
        messages.success(request, f"“{view.name}” is {status} your default view.")
    elif action == "share":
        _share_view(request, view)
    elif action == "unshare" and view.is_shared:
        SavedViews(request.membership, view.job).unshare_view(view)
        _record_sharing(request, view, "view.unshared", "stopped sharing a saved view")
        messages.success(request, f"“{view.name}” is no longer shared.")
    return redirect(_get_list_url(view.job))


def _share_view(request: MemberRequest, view: SavedView) -> None:
    try:
        SavedViews(request.membership, view.job).share_view(view)
    except ViewNotShareable as refusal:
        messages.error(request, str(refusal))
        return
    if not view.is_shared:
        _record_sharing(request, view, "view.shared", "shared a saved view with the organization")
    messages.success(request, f"“{view.name}” is shared with {request.membership.organization}.")


def _record_sharing(request: MemberRequest, view: SavedView, verb: str, text: str) -> None:
    """Without the view's name, which is free text."""
    after = {JOB_KEY: view.job.remote_id} if view.job else None
    record_member_action(request, verb, text, subject=view, after=after)


@require_POST
@member_only
def copy_view(request: MemberRequest, pk: int) -> HttpResponse:
    """Views of a requisition that the reader may not see are not found."""
    shared = get_object_or_404(SavedView.objects.filter(shared_at__isnull=False), pk=pk)
    job: Job | None = None
    if shared.job_id is not None:
        visible = visible_jobs(request.membership, closed=True)
        job = get_object_or_404(visible, pk=shared.job_id)
    saved_views = SavedViews(request.membership, job)
    view = saved_views.find_shared(pk)
    if view is None:
        raise Http404
    try:
        copied_view = saved_views.copy_view(view)
    except ViewLimitReached as refusal:
        messages.error(request, str(refusal))
    else:
        messages.success(request, f"Copied to your views as “{copied_view.name}”.")
    return redirect(_get_list_url(job))


def _get_list_url(job: Job | None) -> str:
    if job is None:
        return f"{reverse('jobs:list')}?status=open"
    return f"{get_job_url(job)}?status={'active' if job.is_open else ''}"
