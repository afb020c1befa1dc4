"""Which applications a batch was started on."""

from __future__ import annotations

from django.db.models import QuerySet

from portal.accounts.access import MemberRequest
from portal.applications.batches.preview import MAX_BATCH_SIZE
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


def describe_selection(request: MemberRequest, job: Job) -> str:
    if request.method == "POST":
        return ""
    if not request.GET.get("all_matching"):
        return "the ones you ticked"
    status, stage = parse_status_and_stage(request.GET)
    status_label = STATUS_LABELS.get(status, "All").lower()
    key = parse_id(stage)
    name = Stage.objects.filter(job=job, pk=key).first() if key is not None else None
    return f"all that match: {status_label}" + (f", in “{name}”" if name else "")
