"""Which applications a batch was started on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from django.contrib import messages
from django.db.models import QuerySet

from integrations.ats.types import SeenStage
from portal.accounts.access import MemberRequest
from portal.applications.batches.preview import MAX_BATCH_SIZE, SkippedApplications
from portal.applications.forms.batch import BatchForm, SelectionForm
from portal.applications.page.announced_matches import AllMatching
from portal.applications.page.application_list import ApplicationList, with_row_details
from portal.applications.page.filters import STATUS_LABELS
from portal.sync.models import Application, Stage
from portal.web.id_parsing import parse_id


def get_selected_applications(
    request: MemberRequest, visible: QuerySet[Application]
) -> list[Application]:
    keys = (parse_id(pk) for pk in request.GET.getlist("selected"))
    picked = [key for key in keys if key is not None][:MAX_BATCH_SIZE]
    return list(with_row_details(visible.filter(pk__in=picked)))


def describe_selection(
    request: MemberRequest,
    application_list: ApplicationList,
    chosen: Sequence[Application],
    matches: AllMatching | None,
) -> str:
    """For example "6 selected." or "All 80 active applications in “Offer” selected."."""
    if request.method == "POST":
        return ""
    if matches is None:
        return f"{len(chosen):,} selected."
    job, filters = application_list.job, application_list.filters
    stages = Stage.objects.filter(job=job, pk=filters.stage) if filters.stage is not None else ()
    is_narrowed = filters.search or filters.filter_count > bool(filters.stage)
    parts = (
        "" if matches.is_truncated else f"{matches.announced_count:,}",
        "matching" if is_narrowed else "",
        STATUS_LABELS[filters.status].lower() if filters.status else "",
        "application" if matches.announced_count == 1 else "applications",
        *(f"in “{stage}”" for stage in stages),
    )
    return f"All {' '.join(part for part in parts if part)} selected."


def read_form_selection(form: BatchForm) -> Mapping[int, SeenStage]:
    """The selection alone, of a form that is not validated or not valid."""
    selection = SelectionForm(form.data)
    return selection.cleaned_data["selection"] if selection.is_valid() else {}


def report_skipped(request: MemberRequest, skipped: SkippedApplications) -> None:
    for reason, count in Counter(reason for _, reason in skipped).items():
        messages.info(request, f"{count:,} skipped: {reason}")
