"""A batch before it starts: the preview with its form, and the start."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from django.contrib import messages
from django.db.models import QuerySet
from django.http import HttpResponse
from django.shortcuts import redirect

from portal.accounts.access import MemberRequest
from portal.applications.actions.acting_user import describe_acting_user
from portal.applications.actions.action_context import ActionContext
from portal.applications.actions.handlers import ACTION_HANDLERS
from portal.applications.actions.handlers.reject import can_email_candidate
from portal.applications.batches import scheduling
from portal.applications.batches.preview import (
    MAX_BATCH_SIZE,
    SkippedApplications,
    preview_batch,
)
from portal.applications.forms.base import INCOMPLETE_MESSAGE
from portal.applications.forms.batch import BatchForm, get_batch_form_class
from portal.applications.models import ActionKind
from portal.applications.page.application_list import with_row_details
from portal.applications.page.labels import may_show_names
from portal.applications.views.batch_selection import (
    get_selected_applications,
    read_form_selection,
    report_skipped,
)
from portal.sync.models import Application, Job
from portal.web.htmx import render_page_or_partial


class BatchStart:
    """One kind of action on applications that are chosen among `rows`."""

    def __init__(
        self,
        request: MemberRequest,
        kind: str,
        action_context: ActionContext,
        job: Job,
        rows: QuerySet[Application],
    ) -> None:
        self.request = request
        self.kind = kind
        self.action_context = action_context
        self.job = job
        self.rows = rows

    def preview_selected(self) -> HttpResponse:
        return self.render_preview(get_selected_applications(self.request, self.rows))

    def start_from_form(self) -> HttpResponse:
        form = self.build_form(self.request.POST)
        is_search = form.is_search()
        if is_search or not form.is_valid():
            if is_search:
                form.run_searches()
            chosen = self._load_applications(read_form_selection(form))
            return self.render_preview(chosen, form, status=200 if is_search else 422)
        selection = form.cleaned_data["selection"]
        selected_ids = list(selection)[:MAX_BATCH_SIZE]
        applications = self._load_applications(selected_ids)
        batch_request = scheduling.BatchRequest(
            kind=self.kind,
            reason=form.cleaned_data.get("reason"),
            notes=form.cleaned_data.get("notes", ""),
            build_parameters=form.build_parameters_for,
            page_state=self.capture_page_state(),
        )
        try:
            batch, skipped = scheduling.start_batch(
                self.action_context,
                self.job,
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

    def build_form(self, data: Mapping[str, Any] | None, **initial: Any) -> BatchForm:
        return get_batch_form_class(self.kind)(
            data,
            initial=initial,
            action_context=self.action_context,
            connection_id=self.job.connection_id,
        )

    def build_links(self) -> dict[str, Any]:
        """Hook: `start_url`, `back_url` and `back_label`, and what else the page shows."""
        raise NotImplementedError

    def capture_page_state(self) -> Mapping[str, Any]:
        """Hook: what the page showed, for the decision record."""
        raise NotImplementedError

    def describe_selection(self, chosen: Sequence[Application]) -> str:
        return f"{len(chosen):,} selected."

    def render_preview(
        self,
        chosen: Sequence[Application],
        form: BatchForm | None = None,
        *,
        more_skipped: SkippedApplications = (),
        status: int = 200,
    ) -> HttpResponse:
        preview = preview_batch(chosen, self.kind, self.action_context)
        no_email_count = sum(not can_email_candidate(a) for a in preview.eligible)
        selection = BatchForm.pack_selection(preview.eligible)
        rights = self.action_context.rights
        context = {
            "job": self.job,
            "kind": self.kind,
            "handler": ACTION_HANDLERS[self.kind],
            "preview": preview,
            "no_email_count": no_email_count if self.kind == ActionKind.REJECT else 0,
            "skipped": [*preview.skipped, *more_skipped],
            "form": form or self.build_form(None, key=uuid.uuid4(), selection=selection),
            "learned": self.action_context.refusals.get(self.kind),
            "shown_as": describe_acting_user(self.action_context.acting_user, rights.match.user),
            "selection": self.describe_selection(chosen),
            "undo_seconds": self.action_context.batch_undo_seconds,
            "max_batch_size": MAX_BATCH_SIZE,
            "named": may_show_names(rights),
            **self.build_links(),
        }
        return render_page_or_partial(
            self.request, "applications/start_batch.html", "bulk-form", context, status=status
        )

    def _load_applications(self, keys: Sequence[int] | Mapping[int, Any]) -> list[Application]:
        return list(with_row_details(self.rows.filter(pk__in=list(keys))))
