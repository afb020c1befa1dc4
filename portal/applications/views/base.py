"""What the small views share: finding the application, and answering where the click came from."""

from __future__ import annotations

from urllib.parse import urlencode, urlsplit

from django.contrib import messages
from django.http import Http404, HttpResponse, QueryDict
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse

from portal.accounts.access import MemberRequest
from portal.applications import bulk, clicks, outbox, sittings
from portal.applications.models import ApplicationAction
from portal.applications.narrowing import chosen_from, list_of, list_words
from portal.applications.offers import ground
from portal.applications.rows import Row, newest_action, own_newest, row_of, rows
from portal.applications.verbs import VERBS, Click, Ground
from portal.core.planned import planned_once
from portal.entitlements.rules import (
    Rights,
    rights,
    visible_application,
    visible_applications,
)
from portal.mirror.models import Application, Job

BUSY = "The last action on this application has not been settled yet."
TELLS_WHERE = (ApplicationAction.Status.DONE, ApplicationAction.Status.CONFLICT)
INCOMPLETE = "This page was incomplete. Please look again and click once more."


def application_of(request: MemberRequest, pk: int) -> tuple[Application, Rights]:
    """The application, if this person may see it; else a 404."""
    held = rights(request.membership)
    application = visible_application(request.membership, pk, held=held)
    if application is None:
        raise Http404
    return application, held


def gone(request: MemberRequest, pk: int, part: str) -> HttpResponse:
    """What came of the reader's own click on what they no longer see; else a 404.

    Nothing of the application: an outcome that tells where it stands now is left out.
    """
    action = own_newest(request.membership, pk)
    if action is None:
        raise Http404
    tells = action.status in TELLS_WHERE and action.after is not None
    context = {"action": action, "outcome": "" if tells else action.outcome}
    return render(request, f"applications/_gone.html#{part}", context)


def as_it_stands(
    request: MemberRequest, pk: int
) -> tuple[Application, Rights, ApplicationAction | None]:
    """The application with what was last done to it, sent by now if its time has come; else a
    404.
    """
    application, held = application_of(request, pk)
    last = newest_action(application)
    if last is not None:
        outbox.release_one(last)
    return application, held, last


def action_of(request: MemberRequest, pk: int) -> ApplicationAction:
    """The person's own action, on an application that they may still see; else a 404."""
    mine = ApplicationAction.objects.filter(membership=request.membership)
    visible = visible_applications(request.membership)
    return get_object_or_404(
        mine.filter(application__in=visible).select_related(
            "application__candidate",
            "application__stage",
            "application__job",
            "application__connection",
            "membership__user",
            "reason",
        ),
        pk=pk,
    )


@planned_once()
def clicked(
    request: MemberRequest,
    application: Application,
    held: Rights,
    click: Click,
    *,
    at: Ground | None = None,
) -> HttpResponse:
    """Take the click, and answer with the row (or the page it came from)."""
    at = at or ground(request.membership, application.job_id, held)
    try:
        action = clicks.request(request.membership, application, click, at=at)
    except clicks.NotOffered as refusal:
        return back(request, application, held, note=refusal.offer.why_not, status=403)
    except clicks.StillBusy:
        return back(request, application, held, note=BUSY, status=409)
    if not request.htmx and action.is_open and _came_from(request) != "review":
        label = VERBS[action.kind].doing
        held_words = f"{label} goes out in {action.seconds_left} seconds. Undo stops it."
        on_its_way = f"{label} is on its way to Greenhouse."
        messages.success(request, held_words if action.due_at else on_its_way)
    if _came_from(request) == "review":
        return redirect(page_of(request, application) + _next_place(request, application))
    if request.htmx and action.is_open:  # then it is the newest: only one is open at a time
        return row_part(request, row_of(application, action, request.membership, at))
    return back(request, application, held)


def _next_place(request: MemberRequest, application: Application) -> str:
    """The place after this application's in the sitting, as an address that bears a reload."""
    sitting = sittings.going_on(request.membership, job_of(application))
    if sitting is None or application.pk not in sitting.order:
        return ""
    return f"?at={sitting.order.index(application.pk) + 2}"


def back(
    request: MemberRequest,
    application: Application,
    held: Rights,
    *,
    note: str = "",
    status: int = 200,
) -> HttpResponse:
    """The row for HTMX; without JavaScript the page the click came from.

    `note` says why nothing was done: in the row, or as a message on the page.
    """
    if request.htmx:
        row = rows([application], request.membership, application.job_id, held)[0]
        return row_part(request, row, note=note, status=status)
    if note:
        messages.error(request, note)
    return redirect(page_of(request, application))


def page_of(request: MemberRequest, application: Application) -> str:
    """Where the click came from; the browser names the kind of page and its list, never an
    address.
    """
    job = job_of(application)
    came_from = _came_from(request)
    if came_from == "review":
        return reverse("applications:review", args=[job.pk])
    listed = list_of(QueryDict(listed_in(request)))
    if came_from == "activity":
        return f"{reverse('applications:my_activity')}{'?' if listed else ''}{urlencode(listed)}"
    if came_from == "history":
        return reverse("applications:history", args=[application.pk])
    query = urlencode({**listed, "at": application.pk})
    page = reverse("applications:of_job", args=[job.pk])
    return f"{page}?{query}#application-{application.pk}"


def listed_in(request: MemberRequest) -> str:
    """The part of the requisition's list that the click came from, as its page wrote it."""
    return request.POST.get("list") or request.GET.get("list") or ""


def _came_from(request: MemberRequest) -> str:
    return request.POST.get("in") or request.GET.get("in") or ""


def row_part(
    request: MemberRequest, row: Row, *, note: str = "", status: int = 200
) -> HttpResponse:
    """The row by itself. `note` says why nothing was done."""
    around = _around(request)
    context = {
        "row": row,
        "note": note,
        "ticks": chosen_from(around)[0] in bulk.FITTING,  # whether the page has the form for many
        "listed": list_words(around),
    }
    return render(request, "applications/_row.html", context, status=status)


def _around(request: MemberRequest) -> QueryDict:
    """What the address of the page around the row says; the browser tells it."""
    return QueryDict(urlsplit(request.htmx.current_url or "").query)


def job_of(application: Application) -> Job:
    if application.job is None:  # only a prospect has none, and prospects are not visible
        raise Http404
    return application.job
