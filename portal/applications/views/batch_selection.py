"""Which applications a batch was started on."""

from __future__ import annotations

from collections.abc import Sequence

from django.db.models import QuerySet

from portal.accounts.access import MemberRequest
from portal.applications.batches.preview import MAX_BATCH_SIZE
from portal.applications.page.announced_matches import AllMatching
from portal.applications.page.filters import (
    STATUS_LABELS,
    filter_applications,
    parse_status_and_stage,
)
from portal.sync.models import Application, Job, Stage
from portal.web.id_parsing import parse_id


def get_selected_applications(
    request: MemberRequest, visible: QuerySet[Application]
) -> list[Application]:
    keys = (parse_id(pk) for pk in request.GET.getlist("selected"))
    picked = [key for key in keys if key is not None][:MAX_BATCH_SIZE]
    return list(filter_applications(visible.filter(pk__in=picked), "", ""))


def describe_selection(
    request: MemberRequest, job: Job, chosen: Sequence[Application], matches: AllMatching | None
) -> str:
    """For example "6 selected." or "All 80 active applications in “Offer” selected."."""
    if request.method == "POST":
        return ""
    if matches is None:
        return f"{len(chosen):,} selected."
    status, stage = parse_status_and_stage(request.GET)
    key = parse_id(stage)
    stage_name = Stage.objects.filter(job=job, pk=key).first() if key is not None else None
    matching = " ".join(
        part
        for part in (
            "" if matches.is_truncated else f"{matches.announced_count:,}",
            STATUS_LABELS[status].lower() if status and status in STATUS_LABELS else "",
            "application" if matches.announced_count == 1 else "applications",
            f"in “{stage_name}”" if stage_name else "",
        )
        if part
    )
    return f"All {matching} selected."
