"""Which applications a batch was started on."""

from __future__ import annotations

from collections.abc import Sequence

from django.db.models import QuerySet

from portal.accounts.access import MemberRequest
from portal.applications.batches.preview import MAX_BATCH_SIZE
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
