"""Batches: preview, confirm, progress page."""

from __future__ import annotations

import uuid

from django.contrib import messages
from django.db.models import Case, Count, IntegerField, Value, When
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from integrations.ats.types import JobStatus
from portal.accounts.access import MemberRequest, member_only
from portal.applications.actions import undo
from portal.applications.actions.acting_user import describe_acting_user
from portal.applications.actions.action_context import ActionContext
from portal.applications.actions.handlers import ACTION_HANDLERS
from portal.applications.actions.handlers.reject import can_email_candidate
from portal.applications.batches import retry, reversal, runner, scheduling
from portal.applications.batches.preview import (
    BATCH_KINDS,
    MAX_BATCH_SIZE,
    preview_batch,
)
from portal.applications.batches.progress import BatchProgress
from portal.applications.forms.base import INCOMPLETE_MESSAGE
from portal.applications.forms.batch import BatchForm, SelectionForm, get_batch_form_class
from portal.applications.models import ActionKind, ApplicationAction, Batch
from portal.applications.page.announced_matches import AllMatching, select_all_matching
from portal.applications.page.application_list import (
    ApplicationList,
    build_application_list,
    with_row_details,
)
from portal.applications.page.filters import encode_list_params
from portal.applications.page.labels import may_show_names
from portal.applications.page.scheduled_email import get_scheduled_email
from portal.applications.views.batch_selection import (
    describe_selection,
    get_selected_applications,
    read_form_selection,
    report_skipped,
)
from portal.entitlements.rules import get_rights, visible_applications, visible_jobs
from portal.sync.models import Application
from portal.web.htmx import render_page_or_partial
from portal.web.list_visits import ListVisit, PagedList
from portal.web.state_tokens import build_state_token, is_state_shown

Status = ApplicationAction.Status

PER_PAGE = 50
FAILURES_FIRST = Case(
    *(
        When(status=status, then=Value(rank))
        for rank, status in enumerate(
            (
                Status.FAILED, Status.REFUSED, Status.CONFLICT, Status.UNKNOWN, Status.SENDING,
                Status.QUEUED, Status.SCHEDULED, Status.CANCELED, Status.DONE,
            )
        )
    ),
    default=Value(99),
    output_field=IntegerField(),
)  # fmt: skip


@require_http_methods(["GET", "HEAD", "POST"])
@member_only
def start_batch(request: MemberRequest, job_pk: int) -> HttpResponse:
    member_rights = get_rights(request.membership)
    job = get_object_or_404(
        visible_jobs(request.membership, member_rights=member_rights), pk=job_pk
    )
    kind = (request.POST or request.GET).get("kind", "")
    if kind not in BATCH_KINDS:
        raise Http404
    application_list = build_application_list(job, member_rights, request.GET)
    action_context = ActionContext(request.membership, job.pk, member_rights)
    if request.method == "POST":
        return _start_from_form(request, application_list, action_context, kind)
    if request.GET.get("all_matching"):
        matches = select_all_matching(request.GET.get("matching", ""), application_list)
        return _render_preview(
            request, application_list, action_context, kind, matches.chosen, all_matching=matches
        )
    chosen = get_selected_applications(request, application_list.visible)
    return _render_preview(request, application_list, action_context, kind, chosen)


def _render_preview(
    request: MemberRequest,
    application_list: ApplicationList,
    action_context: ActionContext,
    kind: str,
    chosen: list[Application],
    form: BatchForm | None = None,
    *,
    all_matching: AllMatching | None = None,
    status: int = 200,
) -> HttpResponse:
    job = application_list.job
    preview = preview_batch(chosen, kind, action_context)
    initial = {"key": uuid.uuid4(), "selection": BatchForm.pack_selection(preview.eligible)}
    form = form or get_batch_form_class(kind)(
        initial=initial,
        action_context=action_context,
        connection_id=job.connection_id,
    )
    context = {
        "job": job,
        "kind": kind,
        "handler": ACTION_HANDLERS[kind],
        "preview": preview,
        "no_email_count": sum(not can_email_candidate(a) for a in preview.eligible)
        if kind == ActionKind.REJECT
        else 0,
        "skipped": [*preview.skipped, *(all_matching.left if all_matching else ())],
        "all_matching": all_matching,
        "list_query": encode_list_params(request.GET),
        "form": form,
        "learned": action_context.refusals.get(kind),
        "shown_as": describe_acting_user(
            action_context.acting_user, action_context.rights.match.user
        ),
        "selection": describe_selection(request, application_list, chosen, all_matching),
        "undo_seconds": action_context.batch_undo_seconds,
        "max_batch_size": MAX_BATCH_SIZE,
        "named": may_show_names(action_context.rights),
        "start_url": reverse("applications:start_batch", args=[job.pk]),
        "back_url": reverse("applications:job_detail", args=[job.pk]),
        "back_label": "Back to requisition",
    }
    return render_page_or_partial(
        request,
        "applications/start_batch.html",
        "bulk-form",
        context,
        status=status,
    )


def _start_from_form(
    request: MemberRequest,
    application_list: ApplicationList,
    action_context: ActionContext,
    kind: str,
) -> HttpResponse:
    job, visible = application_list.job, application_list.visible
    form = get_batch_form_class(kind)(
        request.POST,
        initial={},
        action_context=action_context,
        connection_id=job.connection_id,
    )
    if form.is_search() or not form.is_valid():
        if form.is_search():
            form.run_searches()
        chosen = list(with_row_details(visible.filter(pk__in=list(read_form_selection(form)))))
        status = 200 if form.is_search() else 422
        return _render_preview(
            request, application_list, action_context, kind, chosen, form, status=status
        )
    data = form.cleaned_data
    selected_ids = list(data["selection"])[:MAX_BATCH_SIZE]
    applications = visible.filter(pk__in=selected_ids).select_related(
        "job", "stage", "candidate", "source", "recruiter", "coordinator"
    )
    batch_request = scheduling.BatchRequest(
        kind=kind,
        reason=data.get("reason"),
        notes=data.get("notes", ""),
        build_parameters=form.build_parameters_for,
    )
    chosen_seen = [(application, data["selection"][application.pk]) for application in applications]
    try:
        batch, skipped = scheduling.start_batch(
            action_context, job, batch_request, chosen_seen, key=data["key"]
        )
    except scheduling.BatchKeyTaken:
        messages.error(request, INCOMPLETE_MESSAGE)
        return _render_preview(
            request, application_list, action_context, kind, list(applications), status=409
        )
    report_skipped(request, skipped)
    if hidden_count := len(selected_ids) - len(chosen_seen):
        messages.info(request, f"{hidden_count:,} skipped: no longer available to you.")
    return redirect("applications:batch", pk=batch.pk)


def _get_batch_or_404(request: MemberRequest, pk: int) -> tuple[Batch, ActionContext]:
    member_rights = get_rights(request.membership)
    own_batches = Batch.objects.filter(
        membership=request.membership,
        job__in=visible_jobs(request.membership, member_rights=member_rights),
    )
    batch = get_object_or_404(
        own_batches.select_related("job__connection", "membership__user", "undoes"), pk=pk
    )
    return batch, ActionContext(request.membership, batch.job_id, member_rights)


@require_safe
@member_only
def batch_detail(request: MemberRequest, pk: int) -> HttpResponse:
    batch, action_context = _get_batch_or_404(request, pk)
    member_rights = action_context.rights
    runner.release_due_batches()
    counts = batch.actions.order_by().values_list("status").annotate(Count("id"))
    progress = BatchProgress(dict(counts))
    first_action = batch.actions.select_related("reason", "undoes").first()
    state_token = build_state_token(
        sorted(progress.counts.items()),
        (first_action.outcome, first_action.seconds_left > 0) if first_action else (),
    )
    if progress.open and is_state_shown(request, state_token):
        return HttpResponse(status=204)
    rows = batch.actions.select_related(
        "application__candidate", "application__stage", "application__job"
    )
    action_list = PagedList(
        f"batch:{batch.pk}",
        ordered=rows.order_by(FAILURES_FIRST, "id"),
        shown=rows,
        size=PER_PAGE,
    )
    page = ListVisit(action_list, request.GET, request.membership).load_page()
    visible = visible_applications(request.membership, member_rights=member_rights, closed=True)
    seen = visible.filter(pk__in=[action.application_id for action in page])
    failed = progress.failed and not progress.open
    retried = retry.get_retry_batch(batch) if failed else None
    retry_preview = (
        retry.preview_retry(batch, action_context) if failed and retried is None else None
    )
    handler = ACTION_HANDLERS[batch.kind]
    context = {
        "batch": batch,
        "state_token": state_token,
        "job": batch.job,
        "label": handler.verb,
        "undoes": ACTION_HANDLERS[batch.undoes.kind].verb if batch.undoes else "",
        "progressive": "Undoing" if batch.undoes else handler.progressive,
        "past_tense": "undone" if batch.undoes else handler.past_tense,
        "progress": progress,
        "page": page,
        "seen": set(seen.values_list("pk", flat=True)),
        "with_page": set(seen.filter(job__status=JobStatus.OPEN).values_list("pk", flat=True)),
        "retried": retried,
        "retry_preview": retry_preview,
        "retry_selection": SelectionForm.pack_selection(retry_preview.eligible)
        if retry_preview
        else "",
        "first": first_action,
        "seconds_left": first_action.seconds_left
        if first_action and first_action.status == Status.SCHEDULED
        else 0,
        "scheduled_email": get_scheduled_email(first_action) if first_action else None,
        "undo_warning": undo.get_undo_warning(first_action) if first_action else "",
        "undoable": 0 if progress.open else len(reversal.list_undo_requests(batch, action_context)),
        "undone_by": reversal.get_undo_batch(batch),
        "named": may_show_names(member_rights),
    }
    return render_page_or_partial(request, "applications/batch.html", "batch", context)


@require_POST
@member_only
def cancel_batch(request: MemberRequest, pk: int) -> HttpResponse:
    batch, _ = _get_batch_or_404(request, pk)
    canceled_count = scheduling.cancel_batch(batch, by=request.membership.user)
    if not canceled_count:
        messages.warning(request, "Too late to undo: everything was already sent to Greenhouse.")
    return redirect("applications:batch", pk=batch.pk)


@require_POST
@member_only
def undo_batch(request: MemberRequest, pk: int) -> HttpResponse:
    batch, action_context = _get_batch_or_404(request, pk)
    try:
        undoing_batch = reversal.undo_batch(batch, action_context)
    except scheduling.BatchKeyTaken:
        undoing_batch = None
    if undoing_batch is None:
        messages.error(request, "None of these can be undone anymore.")
    return redirect("applications:batch", pk=(undoing_batch or batch).pk)


@require_POST
@member_only
def retry_batch(request: MemberRequest, pk: int) -> HttpResponse:
    batch, action_context = _get_batch_or_404(request, pk)
    form = SelectionForm(request.POST)
    if not form.is_valid():
        messages.error(request, INCOMPLETE_MESSAGE)
        return redirect("applications:batch", pk=batch.pk)
    try:
        new_batch, skipped = retry.retry_batch(
            batch, action_context, form.cleaned_data["selection"]
        )
    except scheduling.BatchKeyTaken:
        new_batch, skipped = None, ()
    report_skipped(request, skipped)
    if new_batch is None:
        messages.error(request, "None of these can be retried.")
    return redirect("applications:batch", pk=(new_batch or batch).pk)
