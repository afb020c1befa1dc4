"""One decision for several applications of what may be the same person."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.db.models import QuerySet
from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_safe

from portal.accounts.access import MemberRequest, member_only
from portal.applications.actions.available_actions import AvailableActions
from portal.applications.forms.batch import BatchForm, RejectBatchForm
from portal.applications.models import ActionKind
from portal.applications.page.labels import get_candidate_label
from portal.applications.same_person import find_related_applications, list_related_rows
from portal.applications.views.batch_start import BatchStart
from portal.applications.views.lookups import get_available_actions_or_404, get_job_or_404
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
    start = PersonBatchStart(request, kind, available_actions, security_concern)
    return start.start_from_form() if request.method == "POST" else start.preview_selected()


class PersonBatchStart(BatchStart):
    """On an application and those related to it."""

    def __init__(
        self,
        request: MemberRequest,
        kind: str,
        available_actions: AvailableActions,
        is_security_concern: bool,
    ) -> None:
        application, context = available_actions.application, available_actions.context
        rows = list_related_rows(application, context.rights)
        super().__init__(request, kind, context, get_job_or_404(application), rows)
        self.application = application
        self.is_security_concern = is_security_concern

    def build_form(self, data: Mapping[str, Any] | None, **initial: Any) -> BatchForm:
        """A security concern offers the reasons of Greenhouse's own type, and no email."""
        form = super().build_form(data, **initial)
        if self.is_security_concern and isinstance(form, RejectBatchForm):
            form.limit_reasons(_list_security_reasons(self.application))
        return form

    def capture_page_state(self) -> Mapping[str, Any]:
        return {"page": "same_person"}

    def build_links(self) -> dict[str, Any]:
        return {
            "names_jobs": True,
            "start_url": self.request.path,
            "back_url": reverse("applications:same_person", args=[self.application.pk]),
            "back_label": "Back to the applications",
        }


def _list_security_reasons(application: Application) -> QuerySet[RejectionReason]:
    return RejectionReason.objects.filter(
        connection=application.connection_id, gone_at=None, type_key=SECURITY_CONCERN_TYPE
    )
