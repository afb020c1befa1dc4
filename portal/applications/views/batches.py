"""Batches: preview, confirm, progress page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django.contrib import messages
from django.db.models import Case, Count, IntegerField, Value, When
from django.http import Http404, HttpResponse, QueryDict
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from integrations.ats.types import JobStatus
from portal.accounts.access import MemberRequest, member_only
from portal.applications.actions import undo
from portal.applications.actions.action_context import ActionContext
from portal.applications.actions.handlers import ACTION_HANDLERS
from portal.applications.batches import retry, reversal, runner, scheduling
from portal.applications.batches.preview import BATCH_KINDS
from portal.applications.batches.progress import BatchProgress
from portal.applications.forms.base import INCOMPLETE_MESSAGE
from portal.applications.forms.batch import SelectionForm
from portal.applications.models import ApplicationAction, Batch
from portal.applications.page.announced_matches import AllMatching, select_all_matching
from portal.applications.page.application_list import (
    ApplicationList,
    build_application_list,
)
from portal.applications.page.filters import encode_list_params
from portal.applications.page.labels import may_show_names
from portal.applications.page.scheduled_email import get_scheduled_email
from portal.applications.views.batch_selection import describe_selection, report_skipped
from portal.applications.views.batch_start import BatchStart
from portal.applications.views.page_state import LIST_PAGE, capture_list
from portal.applications.views.return_urls import get_list_query
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
                Status.QUEUED, Status.SCHEDULED, Status.PENDING, Status.CANCELED, Status.DONE,
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
    start = JobBatchStart(request, kind, action_context, application_list)
    if request.method == "POST":
        return start.start_from_form()
    if request.GET.get("all_matching"):
        return start.preview_all_matching()
    return start.preview_selected()


class JobBatchStart(BatchStart):
    """On applications to one requisition: those selected in its list, or all that match."""

    def __init__(
        self,
        request: MemberRequest,
        kind: str,
        action_context: ActionContext,
        application_list: ApplicationList,
    ) -> None:
        job, rows = application_list.job, application_list.visible
        super().__init__(request, kind, action_context, job, rows)
        self.application_list = application_list
        self.all_matching: AllMatching | None = None

    def preview_all_matching(self) -> HttpResponse:
        token = self.request.GET.get("matching", "")
        self.all_matching = select_all_matching(token, self.application_list)
        return self.render_preview(self.all_matching.chosen, more_skipped=self.all_matching.left)

    def describe_selection(self, chosen: Sequence[Application]) -> str:
        return describe_selection(self.request, self.application_list, chosen, self.all_matching)

    def capture_page_state(self) -> Mapping[str, Any]:
        query = QueryDict(get_list_query(self.request))
        return {"page": LIST_PAGE} | capture_list(query, self.action_context.rights)

    def build_links(self) -> dict[str, Any]:
        return {
            "all_matching": self.all_matching,
            "list_query": get_list_query(self.request) or encode_list_params(self.request.GET),
            "start_url": reverse("applications:start_batch", args=[self.job.pk]),
            "back_url": reverse("applications:job_detail", args=[self.job.pk]),
            "back_label": "Back to requisition",
        }


def _get_batch_or_404(request: MemberRequest, pk: int) -> tuple[Batch, ActionContext]:
    member_rights = get_rights(request.membership)
    own_batches = Batch.objects.filter(
        membership=request.membership,
        job__in=visible_jobs(request.membership, member_rights=member_rights, closed=True),
    )
    batch = get_object_or_404(
        own_batches.select_related("job__connection", "membership__user", "undoes"), pk=pk
    )
    context = ActionContext(
        request.membership, batch.job_id, member_rights, is_job_open=batch.job.is_open
    )
    return batch, context


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
        "results": [(action, handler.describe_outcome(action, mine=True)) for action in page],
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
