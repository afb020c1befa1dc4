"""How fast applications get an answer, and the organization's promise."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.db import transaction
from django.http import HttpResponse, StreamingHttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_safe

from portal.accounts.access import MemberRequest, admin_only, member_only
from portal.audit.member_actions import record_member_action
from portal.connections.models import Connection
from portal.entitlements.rules import explain_no_access, get_rights
from portal.jobs.answers import page
from portal.jobs.answers.page import AnswerReport
from portal.jobs.answers.promise import load_promise_row
from portal.jobs.forms import AnswerPromiseForm
from portal.jobs.job_list import empty_states, stage_counts
from portal.jobs.models import AnswerPromise
from portal.web.csv_rows import build_csv_response


def _build_report(request: MemberRequest) -> AnswerReport:
    return page.build_report(request.membership, get_rights(request.membership), request.GET)


@require_safe
@member_only
def show_answers(request: MemberRequest) -> HttpResponse:
    report = _build_report(request)
    state = empty_states.get_list_state(report.rights)
    context: dict[str, Any] = {"report": report, "rights": report.rights, "state": state}
    if state.shows_list:
        context |= page.build_page_context(report)
    else:
        context["why_nothing"] = explain_no_access(report.rights)
    return render(request, "jobs/answers.html", context)


@require_safe
@member_only
def show_summary(request: MemberRequest) -> HttpResponse:
    """The list of requisitions asks for it once it is there."""
    if not request.htmx:
        return redirect("jobs:answers")
    context = page.build_summary_context(_build_report(request))
    return render(request, "jobs/_answer_summary.html", context)


@require_safe
@member_only
def export_answers(request: MemberRequest) -> StreamingHttpResponse:
    report = _build_report(request)
    as_of = empty_states.get_list_state(report.rights).as_of
    record_member_action(
        request,
        "answers.exported",
        "exported the time to answer by requisition",
        after={"query": report.params.urlencode()},
    )
    rows = page.list_csv_rows(report, as_of=as_of)
    return build_csv_response("time-to-answer", page.CSV_HEADINGS, rows)


@require_http_methods(["GET", "HEAD", "POST"])
@admin_only
def edit_promise(request: MemberRequest) -> HttpResponse:
    promise = load_promise_row(request.membership.organization_id)
    form = AnswerPromiseForm(request.POST or None, promise=promise)
    if request.method == "POST" and form.is_valid():
        _save_promise(request, promise, form.cleaned_data)
        messages.success(request, "Saved.")
        return redirect("jobs:answers")
    status = 422 if form.errors else 200
    return render(request, "jobs/answer_promise.html", {"form": form}, status=status)


@transaction.atomic
def _save_promise(request: MemberRequest, promise: AnswerPromise, values: dict[str, Any]) -> None:
    """Shares are counted anew in the background; due times follow at once."""
    before = {name: getattr(promise, name) for name in values}
    if promise.pk and before == values:
        return
    organization_id = request.membership.organization_id
    AnswerPromise.objects.update_or_create(
        organization_id=organization_id, defaults=values | {"changed_at": timezone.now()}
    )
    for pk in Connection.objects.filter(organization=organization_id).values_list("pk", flat=True):
        stage_counts.request_count_update(pk, whole=True)
    record_member_action(
        request,
        "answers.promise_changed",
        f"changed the promise of an answer to {values['days']} working days",
        before=before,
        after=values,
    )
