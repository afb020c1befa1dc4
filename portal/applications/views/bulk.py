"""Many at once: chosen, looked over, confirmed; then the batch's own page."""

from __future__ import annotations

import uuid
from collections import Counter

from django.contrib import messages
from django.core.paginator import Paginator
from django.db.models import Case, Count, IntegerField, QuerySet, Value, When
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from portal.accounts.access import MemberRequest, member_only
from portal.applications import bulk, undo
from portal.applications.acting import shown_as
from portal.applications.forms.bulk import BatchForm, ChosenForm, batch_form
from portal.applications.models import ApplicationAction, Batch
from portal.applications.naming import may_name
from portal.applications.narrowing import SHOWN, chosen_from, narrowed
from portal.applications.offers import ground
from portal.applications.verbs import VERBS
from portal.applications.views.base import INCOMPLETE
from portal.core.htmx import page_or_part, summary
from portal.core.keys import as_key
from portal.entitlements.rules import Rights, rights, visible_applications, visible_jobs
from portal.mirror.models import Application, Job, Stage

Status = ApplicationAction.Status

PER_PAGE = 50
FAILURES_FIRST = Case(
    *(
        When(status=status, then=Value(place))
        for place, status in enumerate(
            (
                Status.FAILED, Status.REFUSED, Status.CONFLICT, Status.UNKNOWN, Status.SENDING,
                Status.QUEUED, Status.HELD, Status.WITHDRAWN, Status.DONE,
            )
        )
    ),
    default=Value(99),
    output_field=IntegerField(),
)  # fmt: skip


@require_http_methods(["GET", "HEAD", "POST"])
@member_only
def start(request: MemberRequest, job_pk: int) -> HttpResponse:
    """Look over what was chosen, then put it into the outbox."""
    held = rights(request.membership)
    job = get_object_or_404(visible_jobs(request.membership, held=held), pk=job_pk)
    kind = (request.POST or request.GET).get("kind", "")
    if kind not in bulk.KINDS:
        raise Http404
    mine = visible_applications(request.membership, held=held).filter(job=job)
    if request.method == "POST":
        return _started(request, job, held, kind, mine)
    return _preview(request, job, held, kind, _chosen(request, mine))


def _chosen(request: MemberRequest, mine: QuerySet[Application]) -> list[Application]:
    status, stage = chosen_from(request.GET)
    if request.GET.get("all"):
        return list(narrowed(mine, status, stage)[: bulk.MOST])
    keys = (as_key(pk) for pk in request.GET.getlist("pick"))
    picked = [key for key in keys if key is not None][: bulk.MOST]
    return list(narrowed(mine.filter(pk__in=picked), "", ""))


def _preview(
    request: MemberRequest,
    job: Job,
    held: Rights,
    kind: str,
    chosen: list[Application],
    form: BatchForm | None = None,
) -> HttpResponse:
    at = ground(request.membership, job.pk, held)
    preview = bulk.preview(chosen, kind, at)
    initial = {"key": uuid.uuid4(), "chosen": BatchForm.packed(preview.fit)}
    bound = form
    form = form or batch_form(kind)(
        initial=initial, at=at, membership=request.membership, connection_id=job.connection_id
    )
    context = {
        "job": job,
        "kind": kind,
        "verb": VERBS[kind],
        "preview": preview,
        "form": form,
        "learned": at.refusals.get(kind),
        "shown_as": shown_as(at.acting, held.match.user),
        "chosen_by": _chosen_by(request, job),
        "most": bulk.MOST,
        "cut": request.GET.get("all") and len(chosen) == bulk.MOST,
        "named": may_name(held),
    }
    return page_or_part(
        request, "applications/bulk.html", "bulk-form", context, status=422 if bound else 200
    )


def _chosen_by(request: MemberRequest, job: Job) -> str:
    """Whether the page or the whole filter was chosen, in words."""
    if request.method == "POST":
        return ""
    if not request.GET.get("all"):
        return "the ones you ticked"
    status, stage = chosen_from(request.GET)
    where = SHOWN.get(status, "All").lower()
    key = as_key(stage)
    name = Stage.objects.filter(job=job, pk=key).first() if key is not None else None
    return f"all that match: {where}" + (f", in “{name}”" if name else "")


def _started(
    request: MemberRequest, job: Job, held: Rights, kind: str, mine: QuerySet[Application]
) -> HttpResponse:
    at = ground(request.membership, job.pk, held)
    form = batch_form(kind)(
        request.POST,
        initial={},
        at=at,
        membership=request.membership,
        connection_id=job.connection_id,
    )
    if not form.is_valid():
        seen = form.cleaned_data.get("chosen", {})
        chosen = list(narrowed(mine.filter(pk__in=list(seen)), "", ""))
        return _preview(request, job, held, kind, chosen, form)
    data = form.cleaned_data
    wanted = list(data["chosen"])[: bulk.MOST]
    there = mine.filter(pk__in=wanted).select_related("job", "stage")
    deed = bulk.Deed(
        kind=kind,
        reason=data.get("reason"),
        notes=data.get("notes", ""),
        parameters=form.parameters(),
    )
    chosen_seen = [(one, data["chosen"][one.pk]) for one in there]
    batch, unfit = bulk.start(request.membership, job, held, deed, chosen_seen, key=data["key"])
    _say_left_out(request, unfit)
    return redirect("applications:batch", pk=batch.pk)


def _say_left_out(request: MemberRequest, unfit: bulk.Unfit) -> None:
    for why, number in Counter(why for _, why in unfit).items():
        messages.info(request, f"Left out: {number:,}. {why}")


def _batch(request: MemberRequest, pk: int) -> Batch:
    """The person's own batch, on a requisition that they may still see; else a 404."""
    mine = Batch.objects.filter(
        membership=request.membership, job__in=visible_jobs(request.membership)
    )
    return get_object_or_404(
        mine.select_related("job__connection", "membership__user", "undoes"), pk=pk
    )


@require_safe
@member_only
def batch(request: MemberRequest, pk: int) -> HttpResponse:
    """How far it is, and what came of each: failures first."""
    found = _batch(request, pk)
    held = rights(request.membership)
    bulk.release()
    counts = found.actions.order_by().values_list("status").annotate(Count("id"))
    progress = bulk.Progress(dict(counts))
    rows = found.actions.select_related("application__candidate", "application__stage")
    page = Paginator(rows.order_by(FAILURES_FIRST, "id"), PER_PAGE).get_page(
        request.GET.get("page")
    )
    mine = visible_applications(request.membership, held=held, closed=True)
    seen = mine.filter(pk__in=[action.application_id for action in page])
    failed = progress.failed and not progress.open
    retried = bulk.retried(found) if failed else None
    again = bulk.again(found, held) if failed and retried is None else None
    first = found.actions.select_related("reason").first()
    context = {
        "batch": found,
        "job": found.job,
        "label": bulk.label(found.kind),
        "undoes": bulk.label(found.undoes.kind) if found.undoes else "",
        "progress": progress,
        "page": page,
        "summary": summary(page) if page.has_other_pages() else "",
        "seen": set(seen.values_list("pk", flat=True)),
        "retried": retried,
        "again": again,
        "chosen_again": ChosenForm.packed(again.fit) if again else "",
        "first": first,
        "seconds_left": first.seconds_left if first and first.status == Status.HELD else 0,
        "undo_warning": undo.warning(first) if first else "",
        "undoable": 0 if progress.open else len(bulk.way_back(found, held)),
        "undone_by": bulk.undoing(found),
        "named": may_name(held),
    }
    return page_or_part(request, "applications/batch.html", "batch", context)


@require_POST
@member_only
def withdraw(request: MemberRequest, pk: int) -> HttpResponse:
    """Undo what was not sent yet."""
    found = _batch(request, pk)
    taken = bulk.withdraw(found, by=request.membership.user)
    if not taken:
        messages.warning(request, "It was too late: everything is on its way, or done already.")
    return redirect("applications:batch", pk=found.pk)


@require_POST
@member_only
def take_back(request: MemberRequest, pk: int) -> HttpResponse:
    """Undo what is done already."""
    found = _batch(request, pk)
    back = bulk.take_back(found, rights(request.membership))
    if back is None:
        messages.error(request, "Nothing of it can be undone any more.")
    return redirect("applications:batch", pk=(back or found).pk)


@require_POST
@member_only
def retry(request: MemberRequest, pk: int) -> HttpResponse:
    """Try only those again that were not done, from where the page showed each."""
    found = _batch(request, pk)
    form = ChosenForm(request.POST)
    if not form.is_valid():
        messages.error(request, INCOMPLETE)
        return redirect("applications:batch", pk=found.pk)
    anew, unfit = bulk.retry(found, rights(request.membership), form.cleaned_data["chosen"])
    _say_left_out(request, unfit)
    if anew is None:
        messages.error(request, "Nothing of it can be tried again.")
    return redirect("applications:batch", pk=(anew or found).pk)
