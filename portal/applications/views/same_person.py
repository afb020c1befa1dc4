"""One decision for several applications of what may be the same person."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.db.models import QuerySet
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_safe

from portal.accounts.access import MemberRequest, member_only
from portal.applications.actions.acting_user import describe_acting_user
from portal.applications.actions.action_context import ActionContext
from portal.applications.actions.available_actions import AvailableActions
from portal.applications.actions.handlers import ACTION_HANDLERS
from portal.applications.actions.handlers.reject import can_email_candidate
from portal.applications.batches import scheduling
from portal.applications.batches.preview import MAX_BATCH_SIZE, preview_batch
from portal.applications.forms.base import INCOMPLETE_MESSAGE
from portal.applications.forms.batch import BatchForm, RejectBatchForm, get_batch_form_class
from portal.applications.models import ActionKind
from portal.applications.page.application_list import with_row_details
from portal.applications.page.labels import get_candidate_label, may_show_names
from portal.applications.same_person import find_related_applications, list_related_rows
from portal.applications.views.batch_selection import (
    get_selected_applications,
    read_form_selection,
    report_skipped,
)
from portal.applications.views.lookups import get_available_actions_or_404, get_job_or_404
from portal.entitlements.rules import visible_applications
from portal.sync.models import SECURITY_CONCERN_TYPE, Application, RejectionReason

KINDS = (ActionKind.ADVANCE, ActionKind.REJECT, ActionKind.UNREJECT)


@require_safe
@member_only
def show_same_person(request: MemberRequest, pk: int) -> HttpResponse:
    """The applications, to choose those that one decision is for."""
    available_actions = get_available_actions_or_404(request, pk)
    application, rights = available_actions.application, available_actions.context.rights
    related = find_related_applications(application, rights)
    who = get_candidate_label(application, rights)
    context = {
        "application": application,
        "who": who,
        "related": related,
        "rows": [
            (application, who, "", True),
            *(
                (
                    other.application,
                    get_candidate_label(other.application, rights),
                    other.shared,
                    other.is_same_candidate,
                )
                for other in related.others
            ),
        ],
        "has_security_reason": _list_security_reasons(application).exists(),
    }
    return render(request, "applications/same_person.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@member_only
def decide_same_person(
    request: MemberRequest, pk: int, *, security_concern: bool = False
) -> HttpResponse:
    """GET previews the decision on those of `selected`; POST starts it as a batch."""
    kind = ActionKind.REJECT if security_concern else (request.POST or request.GET).get("kind", "")
    if kind not in KINDS:
        raise Http404
    available_actions = get_available_actions_or_404(request, pk)
    decision = PersonDecision(request, available_actions, kind, security_concern)
    if request.method == "POST":
        return decision.start_from_form()
    return decision.render_preview(get_selected_applications(request, decision.list_rows()))


@dataclass(frozen=True)
class PersonDecision:
    """One kind of action on an application and those related to it."""

    request: MemberRequest
    available_actions: AvailableActions
    kind: str
    is_security_concern: bool

    @property
    def application(self) -> Application:
        return self.available_actions.application

    @property
    def action_context(self) -> ActionContext:
        return self.available_actions.context

    def list_rows(self) -> QuerySet[Application]:
        rights = self.action_context.rights
        if self.application.candidate is None:
            visible = visible_applications(rights.member, member_rights=rights)
            return visible.filter(pk=self.application.pk)
        return list_related_rows(self.application, self.application.candidate, rights)

    def build_form(self, initial: Mapping[str, Any]) -> BatchForm:
        """A security concern offers the reasons of Greenhouse's own type, and no email."""
        form = get_batch_form_class(self.kind)(
            self.request.POST or None,
            initial=initial,
            action_context=self.action_context,
            connection_id=self.application.connection_id,
        )
        if self.is_security_concern and isinstance(form, RejectBatchForm):
            form.limit_reasons(_list_security_reasons(self.application))
        return form

    def render_preview(
        self, chosen: Sequence[Application], form: BatchForm | None = None, *, status: int = 200
    ) -> HttpResponse:
        preview = preview_batch(chosen, self.kind, self.action_context)
        selection = BatchForm.pack_selection(preview.eligible)
        user = self.action_context.rights.match.user
        context = {
            "job": get_job_or_404(self.application),
            "kind": self.kind,
            "handler": ACTION_HANDLERS[self.kind],
            "preview": preview,
            "no_email_count": sum(not can_email_candidate(a) for a in preview.eligible)
            if self.kind == ActionKind.REJECT
            else 0,
            "skipped": preview.skipped,
            "form": form or self.build_form({"key": uuid.uuid4(), "selection": selection}),
            "shown_as": describe_acting_user(self.action_context.acting_user, user),
            "selection": f"{len(chosen):,} selected.",
            "undo_seconds": self.action_context.batch_undo_seconds,
            "named": may_show_names(self.action_context.rights),
            "names_jobs": True,
            "start_url": self.request.path,
            "back_url": reverse("applications:same_person", args=[self.application.pk]),
            "back_label": "Back to the applications",
        }
        return render(self.request, "applications/start_batch.html", context, status=status)

    def start_from_form(self) -> HttpResponse:
        form, rows = self.build_form({}), self.list_rows()
        if not form.is_valid():
            shown_ids = list(read_form_selection(form))
            chosen = list(with_row_details(rows.filter(pk__in=shown_ids)))
            return self.render_preview(chosen, form, status=422)
        selection = form.cleaned_data["selection"]
        selected_ids = list(selection)[:MAX_BATCH_SIZE]
        applications = list(with_row_details(rows.filter(pk__in=selected_ids)))
        batch_request = scheduling.BatchRequest(
            kind=self.kind,
            reason=form.cleaned_data.get("reason"),
            notes=form.cleaned_data.get("notes", ""),
            build_parameters=form.build_parameters_for,
        )
        try:
            batch, skipped = scheduling.start_batch(
                self.action_context,
                get_job_or_404(self.application),
                batch_request,
                [(application, selection[application.pk]) for application in applications],
                key=form.cleaned_data["key"],
            )
        except scheduling.BatchKeyTaken:
            messages.error(self.request, INCOMPLETE_MESSAGE)
            return self.render_preview(applications, status=409)
        report_skipped(self.request, skipped)
        if hidden_count := len(selected_ids) - len(applications):
            messages.info(self.request, f"{hidden_count:,} skipped: no longer available to you.")
        return redirect("applications:batch", pk=batch.pk)


def _list_security_reasons(application: Application) -> QuerySet[RejectionReason]:
    return RejectionReason.objects.filter(
        connection=application.connection_id, gone_at=None, type_key=SECURITY_CONCERN_TYPE
    )
