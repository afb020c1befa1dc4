# ruff: noqa: E402, T201  (Django is set up before the portal is imported; it talks to its terminal)
"""How long a click takes beyond Greenhouse's own answer, and a hundred at once at the rate limit.

    python -m tests.bench.bench_click [--clicks 40] [--latency 0]

A click is: the POST, the queue, a worker, and the row that says it is done. Everything runs in
this process on the database of DATABASE_URL, with a sandbox over real HTTP whose latency is known.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")

import django

django.setup()

from django.conf import settings
from django.test import Client
from django.test.utils import setup_databases, setup_test_environment, teardown_databases
from django.urls import reverse

from integrations.greenhouse.sandbox import ACME_V3_CLIENT_ID, ACME_V3_CLIENT_SECRET, Sandbox
from portal.applications import bulk
from portal.applications.forms import BatchForm
from portal.applications.models import ApplicationAction, Batch
from portal.mirror.models import Application
from tests.cast import gather
from tests.portal.applications.clicking import click, shown
from tests.queue import work


def main() -> None:
    options = argparse.ArgumentParser()
    options.add_argument("--clicks", type=int, default=40)
    options.add_argument("--latency", type=int, default=0, help="of Greenhouse, milliseconds")
    chosen = options.parse_args()
    setup_test_environment()
    kept = setup_databases(verbosity=0, interactive=False)
    try:
        with Sandbox(seed=7, jobs=20, applications=1500, v1_limit=0, v3_limit=0) as sandbox:
            settings.GREENHOUSE_API_URL = settings.GREENHOUSE_AUTH_URL = sandbox.url
            sam = _connected()
            _clicks(sandbox, sam, chosen.clicks, chosen.latency)
            _hundred(sandbox, sam)
    finally:
        teardown_databases(kept, verbosity=0)


def _connected() -> Client:
    cast = gather()
    ada, sam = Client(), Client()
    ada.force_login(cast.ada.user)
    sam.force_login(cast.sam.user)
    values = {
        "kind": "harvest_oauth",
        "client_id": ACME_V3_CLIENT_ID,
        "client_secret": ACME_V3_CLIENT_SECRET,
    }
    ada.post(reverse("onboarding:credential"), values)
    work()
    return sam


def _some(count: int) -> list[Application]:
    found = Application.objects.filter(
        status="active", prospect=False, stage__order=0, job__status="open",
        job__confidential=False, candidate__private=False,
    )  # fmt: skip
    return list(found.select_related("job", "stage")[:count])


def _clicks(sandbox: Sandbox, sam: Client, count: int, latency: int) -> None:
    some = _some(count + 3)
    for one in some[:3]:  # warm: token, templates, connections
        click(sam, "advance", one)
        work()
    sandbox.faults.add(regex="/v3/", kind="latency", latency_ms=latency, times=None)
    added = []
    for one in some[3:]:
        before = len(sandbox.requests)
        begun = time.perf_counter()
        click(sam, "advance", one)
        work()
        shown(sam, one)
        took = (time.perf_counter() - begun) * 1000
        theirs = sum(r.milliseconds for r in list(sandbox.requests)[before:])
        added.append(took - theirs)
    sandbox.faults.clear()
    done = ApplicationAction.objects.filter(status="done").count()
    added.sort()
    print(
        f"{len(added)} clicks, {done} done: added over Greenhouse's own answers "
        f"(median, p95): {statistics.median(added):.1f} ms, {added[int(len(added) * 0.95)]:.1f} ms"
    )


def _hundred(sandbox: Sandbox, sam: Client) -> None:
    settings.BULK_HOLD_SECONDS = 0.01
    by_job: dict[int, list[Application]] = {}
    for one in _some(2000):
        by_job.setdefault(one.job_id or 0, []).append(one)
    made = 0
    begun = time.perf_counter()
    before = len(sandbox.requests)
    for job, some in by_job.items():
        part = some[: 100 - made]
        if not part:
            break
        made += len(part)
        page = sam.get(
            reverse("applications:bulk", args=[job]),
            {"kind": "advance", "pick": [one.pk for one in part]},
        )
        values = {
            "kind": "advance",
            "key": page.context["form"]["key"].value(),
            "chosen": BatchForm.packed(part),
        }
        sam.post(reverse("applications:bulk", args=[job]), values)
    while Batch.objects.filter(due_at__isnull=False).exists():
        bulk.release()
        work()
        time.sleep(0.02)
    took = time.perf_counter() - begun
    asked = len(sandbox.requests) - before
    done = ApplicationAction.objects.filter(status="done", batch__isnull=False).count()
    print(
        f"{made} in bulk, {done} done: {took:.1f} s, {asked} requests, "
        f"{took / max(1, made) * 1000:.0f} ms each, without a rate limit"
    )


if __name__ == "__main__":
    main()
