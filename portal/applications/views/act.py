"""The buttons: a small view for each, which asks for what is missing and takes the click."""

from __future__ import annotations

from django.http import HttpResponse
from django.views.decorators.http import require_http_methods, require_POST

from portal.accounts.access import MemberRequest, member_only
from portal.applications.acting import shown_as
from portal.applications.forms.click import ClickForm, FormOnApplication
from portal.applications.forms.move import MoveForm, TransferForm
from portal.applications.forms.reject import RejectForm
from portal.applications.forms.update import UpdateForm
from portal.applications.models import Kind
from portal.applications.naming import who
from portal.applications.offers import ground, offer
from portal.applications.views.base import (
    INCOMPLETE,
    application_of,
    back,
    clicked,
    listed_in,
    page_of,
)
from portal.core.htmx import page_or_part
from portal.core.planned import planned_once


@require_POST
@member_only
def advance(request: MemberRequest, pk: int) -> HttpResponse:
    """Advance to the next stage, in the reader's own name."""
    return _at_once(request, pk, Kind.ADVANCE)


@require_POST
@member_only
def unreject(request: MemberRequest, pk: int) -> HttpResponse:
    """Make a rejected application active again."""
    return _at_once(request, pk, Kind.UNREJECT)


@require_http_methods(["GET", "HEAD", "POST"])
@member_only
def reject(request: MemberRequest, pk: int) -> HttpResponse:
    """Ask for a reason, then reject."""
    return _by_form(request, pk, Kind.REJECT, RejectForm)


@require_http_methods(["GET", "HEAD", "POST"])
@member_only
def move(request: MemberRequest, pk: int) -> HttpResponse:
    """Ask for a stage, then move there."""
    return _by_form(request, pk, Kind.MOVE, MoveForm)


@require_http_methods(["GET", "HEAD", "POST"])
@member_only
def transfer(request: MemberRequest, pk: int) -> HttpResponse:
    """Ask for a requisition, then transfer there."""
    return _by_form(request, pk, Kind.TRANSFER, TransferForm)


@require_http_methods(["GET", "HEAD", "POST"])
@member_only
def update(request: MemberRequest, pk: int) -> HttpResponse:
    """Ask what is to change, then change it."""
    return _by_form(request, pk, Kind.UPDATE, UpdateForm)


@planned_once()
def _at_once(request: MemberRequest, pk: int, kind: str) -> HttpResponse:
    application, held = application_of(request, pk)
    form = ClickForm(request.POST)
    if not form.is_valid():
        return back(request, application, held, note=INCOMPLETE, status=422)
    return clicked(request, application, held, form.click(kind))


def _by_form(
    request: MemberRequest, pk: int, kind: str, form_class: type[FormOnApplication]
) -> HttpResponse:
    application, held = application_of(request, pk)
    at = ground(request.membership, application.job_id, held)
    data = request.POST if request.method == "POST" else None
    form = form_class(data, application=application, at=at, membership=request.membership)
    if form.is_bound and form.is_valid():
        return clicked(request, application, held, form.click(kind), at=at)
    context = {
        "application": application,
        "who": who(application, held),
        "form": form,
        "offer": offer(application, at, kind),
        "shown_as": shown_as(at.acting, held.match.user),
        "back_url": page_of(request, application),
        "listed": listed_in(request),
        "came_from": request.POST.get("in") or request.GET.get("in") or "",
    }
    status = 422 if form.is_bound else 200
    return page_or_part(request, "applications/act.html", "act-row", context, status=status)
