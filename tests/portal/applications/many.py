"""What the tests of batches share: choosing many of one requisition, and confirming."""

from __future__ import annotations

from django.test import Client
from django.urls import reverse

from portal.applications.models import Batch
from portal.mirror.models import Application, RejectionReason
from tests.portal.applications.clicking import applications


def of_one_job(count: int) -> list[Application]:
    """So many active ones of one job, in its first stage."""
    by_job: dict[int, list[Application]] = {}
    for one in applications():
        by_job.setdefault(one.job_id, []).append(one)
    return max(by_job.values(), key=len)[:count]


def _address(chosen: list[Application]) -> str:
    return reverse("applications:bulk", args=[chosen[0].job_id])


def look(client: Client, kind: str, chosen: list[Application], **more: object):
    return client.get(_address(chosen), {"kind": kind, "pick": [one.pk for one in chosen], **more})


def confirm(client: Client, kind: str, chosen: list[Application], page=None, **more: object):
    page = page or look(client, kind, chosen)
    form = page.context["form"]
    values = {name: form[name].value() for name in ("key", "chosen")}
    return client.post(_address(chosen), {"kind": kind, **values, **more})


def try_again(client: Client, batch: Batch, page=None):
    """Press the button that tries only those again that were not done, on its page as it is."""
    page = page or client.get(reverse("applications:batch", args=[batch.pk]))
    address = reverse("applications:retry_batch", args=[batch.pk])
    return client.post(address, {"chosen": page.context["chosen_again"]})


def a_reason() -> int:
    return RejectionReason.objects.order_by("remote_id").first().pk
