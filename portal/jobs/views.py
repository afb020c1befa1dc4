"""The list of requisitions that Greenhouse lets the reader see, and what hangs on it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from django.contrib import messages
from django.db.models import Count
from django.http import HttpResponse, QueryDict, StreamingHttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from portal.accounts.access import MemberRequest, member_only
from portal.audit.noted import noted
from portal.audit.shown import searched
from portal.core.htmx import page_or_part
from portal.entitlements.asking import ask_as_admin, ask_for_oneself
from portal.entitlements.rules import (
    Rights,
    rights,
    visible_applications,
    visible_jobs,
    why_nothing,
)
from portal.jobs import export, keeping, listing, states, visits
from portal.jobs.facts import address, facts
from portal.jobs.forms import SaveViewForm, WhyForm
from portal.jobs.listing import Asked
from portal.jobs.models import SavedView
from portal.jobs.narrowing import Narrowing, asked
from portal.jobs.rows import rows
from portal.mirror.models import Job

SEARCH = "job-search"  # the form's id
FILTERS = "job-filters"
WORDS_NOT_KEPT = (
    "The words you searched for are not part of it: they stand in no requisition's title or ID, so "
    "they may be somebody's name."
)


@require_safe
@member_only
def requisitions(request: MemberRequest) -> HttpResponse:
    """The list: searched, filtered and ordered as its address says."""
    whole = not request.htmx or request.htmx.history_restore_request
    views = keeping.views(request.membership) if whole else []
    opens_with = next((view for view in views if view.default), None)
    if opens_with and not request.GET:
        return redirect(f"{reverse('jobs:list')}?{opens_with.query or 'status=open'}")
    held = rights(request.membership)
    state = states.of_list(held)
    if request.htmx and request.htmx.target == "first-sync" and state.shows_list:
        return HttpResponse(headers={"HX-Refresh": "true"})
    to = asked(request.GET)
    context: dict[str, Any] = {"held": held, "state": state, "to": to}
    if not state.shows_list:
        context |= {"why_nothing": why_nothing(held), "admins": states.admins(request.membership)}
        return page_or_part(request, "jobs/list.html", "waiting", context)
    wanted = _wanted(request, held, to)
    if request.htmx and request.htmx.target == FILTERS and not whole:
        return page_or_part(request, "jobs/list.html", FILTERS, context | listing.filters(wanted))
    context |= listing.listed(wanted)
    if whole:
        context |= listing.orders(to) | {"views": views}
        if to.filters or request.GET.get("filters"):
            context |= listing.filters(wanted)
    response = page_or_part(request, "jobs/list.html", "job-table", context)
    if request.htmx and request.htmx.trigger == SEARCH:
        _tell_address(request, response, to)
    return response


def _wanted(request: MemberRequest, held: Rights, to: Narrowing) -> Asked:
    after, before = request.GET.get("after", ""), request.GET.get("before", "")
    return Asked(request.membership, held, to, after=after, before=before)


def _tell_address(request: MemberRequest, response: HttpResponse, to: Narrowing) -> None:
    """The browser's address follows the search form. While typing it is replaced, not added to,

    so that Back leads to the list as it was before, and not through every letter.
    """
    _, _, query = (request.htmx.current_url or "").partition("?")
    before = asked(QueryDict(query.partition("#")[0]))
    typing = bool(to.words and before.words) and replace(before, words=to.words) == to
    header = "HX-Replace-Url" if typing else "HX-Push-Url"
    response[header] = f"{reverse('jobs:list')}?{to.query or 'status=open'}"


@require_safe
@member_only
def export_csv(request: MemberRequest) -> StreamingHttpResponse:
    """The list as its address narrows it, whole, as a file."""
    held = rights(request.membership)
    state = states.of_list(held)
    to = asked(request.GET)
    jobs = Asked(request.membership, held, to).jobs().order_by(*to.order.by())
    noted(
        request,
        "jobs.exported",
        "exported the list of requisitions",
        after=searched(to.query),
    )
    return StreamingHttpResponse(
        export.lines(jobs, request.membership, held, as_of=state.as_of),
        content_type="text/csv; charset=utf-8",
        headers={
            "Content-Disposition": "attachment; "
            f'filename="requisitions-{timezone.now():%Y-%m-%d-%H%M}.csv"',
            "Cache-Control": "no-store",
        },
    )


# -- one requisition -----------------------------------------------------------------------------


def _seen(request: MemberRequest, job_pk: int, held: Rights) -> Job:
    seen = visible_jobs(request.membership, held=held, closed=True)
    return get_object_or_404(seen.select_related("department", "connection"), pk=job_pk)


@require_safe
@member_only
def closed(request: MemberRequest, job_pk: int) -> HttpResponse:
    """What a closed requisition was; an open one has its page with its applications."""
    held = rights(request.membership)
    job = _seen(request, job_pk, held)
    if job.is_open:
        return redirect(address(job))
    applications = visible_applications(request.membership, held=held, closed=True)
    counts = applications.filter(job=job).order_by("status").values_list("status")
    context = {"facts": facts(job, held), "held": held, "counts": counts.annotate(Count("pk"))}
    return render(request, "jobs/closed.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@member_only
def refresh(request: MemberRequest, job_pk: int) -> HttpResponse:
    """Have one requisition read again from Greenhouse; asked with GET, how far that is."""
    held = rights(request.membership)
    job = _seen(request, job_pk, held)
    if request.method == "POST":
        if not visits.refresh(job, held):
            messages.error(request, "The connection to Greenhouse is not ready for that.")
        return redirect(address(job))
    if not request.htmx:
        return redirect(address(job))
    told = facts(job, held)
    context = {"facts": told, "held": held, "just_read": not told.being_read}
    return render(request, "jobs/_freshness.html", context)


# -- pins and views ------------------------------------------------------------------------------


@require_POST
@member_only
def pin(request: MemberRequest, job_pk: int) -> HttpResponse:
    """Keep a requisition at the top of the list, or no longer."""
    held = rights(request.membership)
    job = _seen(request, job_pk, held)
    if request.POST.get("pinned") == "no":
        keeping.unpin(request.membership, job)
    else:
        try:
            # Of an open one those count that stand on top; of a closed one all that are seen.
            counted = visible_jobs(request.membership, held=held, closed=not job.is_open)
            keeping.pin(request.membership, job, counted)
        except keeping.TooMany as refusal:
            messages.error(request, str(refusal))
    if request.htmx:
        pins = keeping.pins(request.membership)
        context = {
            "row": rows([job], request.membership, held, pinned=pins)[0],
            "prefix": "top-" if (request.htmx.trigger or "").startswith("top-") else "",
        }
        return render(request, "jobs/pin.html", context)
    return redirect("jobs:list")


@require_POST
@member_only
def save_view(request: MemberRequest) -> HttpResponse:
    """Keep the list as it is narrowed and ordered now, under a name."""
    form = SaveViewForm(request.POST)
    if not form.is_valid():
        return render(request, "jobs/save_view.html", {"form": form}, status=422)
    name, to = form.cleaned_data["name"], form.cleaned_data["query"]
    kept = keeping.keepable(to, visible_jobs(request.membership, closed=True))
    try:
        keeping.save_view(
            request.membership, name, kept.query, default=form.cleaned_data["default"]
        )
    except keeping.TooMany as refusal:
        form.add_error(None, str(refusal))
        return render(request, "jobs/save_view.html", {"form": form}, status=422)
    without = "" if kept == to else f" {WORDS_NOT_KEPT}"
    messages.success(request, f"Saved as “{name}”.{without}")
    return redirect(f"{reverse('jobs:list')}?{kept.query or 'status=open'}")


@require_POST
@member_only
def change_view(request: MemberRequest, pk: int) -> HttpResponse:
    """Delete a saved view, or open the list with it, or no longer."""
    view = get_object_or_404(SavedView, pk=pk, membership=request.membership)
    wanted = request.POST.get("do")
    if wanted == "delete":
        view.delete()
        messages.success(request, f"“{view.name}” is deleted.")
    elif wanted in {"default", "not_default"}:
        keeping.make_default(view if wanted == "default" else None, of=request.membership)
        opens = "opens with" if wanted == "default" else "no longer opens with"
        messages.success(request, f"The list {opens} “{view.name}”.")
    return redirect(f"{reverse('jobs:list')}?status=open")


# -- why can't I see it --------------------------------------------------------------------------


@require_safe
@member_only
def why(request: MemberRequest) -> HttpResponse:
    """Why somebody sees a requisition or does not: oneself, or for admins any of their people."""
    member = request.membership
    form = WhyForm(request.GET if "job" in request.GET else None, member=member)
    told, about = None, member
    if form.is_bound and form.is_valid():
        about = form.cleaned_data.get("about") or member
        pasted = form.cleaned_data["job"]
        told = (
            ask_as_admin(member, about, pasted)
            if member.is_admin
            else ask_for_oneself(member, pasted)
        )
    context = {"form": form, "told": told, "about": about}
    status = 422 if form.is_bound and not form.is_valid() else 200
    return page_or_part(request, "jobs/why.html", "answer", context, status=status)
