"""Helpers for batch tests: pick applications of one job, preview, confirm, retry."""

from __future__ import annotations

from django.test import Client
from django.urls import reverse

from portal.applications.models import Batch
from portal.sync.models import Application, RejectionReason
from tests.portal.applications.action_helpers import list_applications


def pick_from_one_job(count: int) -> list[Application]:
    """Return up to `count` active applications of one job, in its first stage."""
    by_job: dict[int, list[Application]] = {}
    for application in list_applications():
        by_job.setdefault(application.job_id, []).append(application)
    return max(by_job.values(), key=len)[:count]


def _bulk_url(chosen: list[Application]) -> str:
    return reverse("applications:start_batch", args=[chosen[0].job_id])


def open_bulk_page(client: Client, kind: str, chosen: list[Application], **more: object):
    return client.get(
        _bulk_url(chosen),
        {"kind": kind, "selected": [application.pk for application in chosen], **more},
    )


def confirm_batch(client: Client, kind: str, chosen: list[Application], page=None, **more: object):
    page = page or open_bulk_page(client, kind, chosen)
    form = page.context["form"]
    values = {name: form[name].value() for name in ("key", "selection")}
    return client.post(_bulk_url(chosen), {"kind": kind, **values, **more})


def retry_batch(client: Client, batch: Batch, page=None):
    """Press the retry button on the batch page as it was loaded."""
    page = page or client.get(reverse("applications:batch", args=[batch.pk]))
    address = reverse("applications:retry_batch", args=[batch.pk])
    return client.post(address, {"selection": page.context["retry_selection"]})


def first_reason_pk() -> int:
    return RejectionReason.objects.order_by("remote_id").first().pk
