"""Webhooks delivered in any order, and repeatedly, make the mirror equal to Greenhouse."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest

from integrations.greenhouse.sandbox import Sandbox
from integrations.greenhouse.sandbox.webhooks.delivery import Webhook as Registered
from portal.sync.models import Application, Candidate, Job, Stage
from portal.webhooks.models import Delivery
from tests.portal.webhooks.conftest import WebhookSender

CHANGES = 30


@pytest.mark.parametrize("seed", [1, 2])
def test_mirror_equals_greenhouse_after_shuffled_deliveries(
    synced_webhook: WebhookSender, sandbox: Sandbox, run_tasks: Callable[[], int], seed: int
) -> None:
    chance = random.Random(seed)
    # Nothing listens at this address; the sandbox still records its deliveries.
    nowhere = Registered(
        "http://127.0.0.1:9/", synced_webhook.secret, frozenset(), "acme", enabled=True
    )
    sandbox.webhooks.hooks.append(nowhere)
    for _ in range(CHANGES):
        _apply_random_change(sandbox, chance)
    sandbox.webhooks.queue.join()
    assert _mirror_rows() != _greenhouse_rows(sandbox)

    deliveries = list(sandbox.webhooks.deliveries)
    assert len(deliveries) >= CHANGES
    deliveries += chance.choices(deliveries, k=10)
    chance.shuffle(deliveries)
    for number, delivery in enumerate(deliveries):
        answer = synced_webhook.post_body(
            delivery.body,
            Signature=delivery.signature,
            Greenhouse_Event_ID=delivery.event_id,
        )
        assert answer.status_code == 200
        if number % 7 == 0:
            run_tasks()
    run_tasks()

    assert set(Delivery.objects.values_list("outcome", flat=True)) <= {"read", "nothing"}
    assert _mirror_rows() == _greenhouse_rows(sandbox)


def _apply_random_change(sandbox: Sandbox, chance: random.Random) -> None:
    world = sandbox.dataset("acme")
    active = [a for a in world.applications if a.status == "active" and a.job_id and a.stage_id]
    application = chance.choice(active)
    rejected = [a for a in world.applications if a.status == "rejected" and a.job_id]
    job = chance.choice([j for j in world.jobs if j.status == "open" and j.is_requisition])
    candidate_ids = chance.sample([c.id for c in world.candidates], 2)
    mutations: list[tuple[str, dict[str, Any]]] = [
        ("new_application", {"job_id": job.id}),
        ("reject_application", {"application_id": application.id}),
        ("hire_application", {"application_id": application.id}),
        ("delete_application", {"application_id": application.id}),
        (
            "rename_candidate",
            {"candidate_id": candidate_ids[0], "first_name": "N", "last_name": "Ew"},
        ),
        ("anonymize_candidate", {"candidate_id": candidate_ids[0]}),
        ("delete_candidate", {"candidate_id": candidate_ids[0]}),
        ("merge_candidate", {"candidate_id": candidate_ids[0], "into_id": candidate_ids[1]}),
        ("close_job", {"job_id": job.id}),
        ("rename_job", {"job_id": job.id, "name": f"Job {chance.random():.5f}"}),
        ("set_confidential", {"job_id": job.id}),
        ("create_job", {"name": "Another"}),
        ("transfer_application", {"application_id": application.id, "job_id": job.id}),
        ("unreject_application", {"application_id": chance.choice(rejected).id}),
        ("unreject_application", {"application_id": chance.choice(rejected).id}),
        ("delete_stage", {"stage_id": chance.choice(world.list_job_stages(job.id)).id}),
        ("delete_job", {"job_id": job.id}),
    ]
    if application.stage_id in {s.id for s in world.list_job_stages(application.job_id)[:-1]}:
        mutations += [("move_application", {"application_id": application.id})] * 4
    name, values = chance.choice(mutations)
    sandbox.run_mutation(name, **values)


def _greenhouse_rows(sandbox: Sandbox) -> dict[str, set[tuple[Any, ...]]]:
    world = sandbox.dataset("acme")
    jobs = [job for job in world.jobs if job.is_requisition]
    return {
        "jobs": {(j.id, j.name, j.status, j.confidential) for j in jobs},
        "candidates": {(c.id, c.first_name or "", c.last_name or "") for c in world.candidates},
        "applications": {
            (a.id, a.status, a.job_id, a.candidate_id, a.stage_id) for a in world.applications
        },
        "stages": {(s.id, s.active) for j in jobs for s in world.list_job_stages(j.id)},
    }


def _mirror_rows() -> dict[str, set[tuple[Any, ...]]]:
    jobs = Job.objects.filter(gone_at=None)
    people = Candidate.objects.filter(gone_at=None)
    applications = Application.objects.filter(gone_at=None)
    return {
        "jobs": set(jobs.values_list("remote_id", "name", "status", "confidential")),
        "stages": set(
            Stage.objects.filter(gone_at=None, job__in=jobs).values_list("remote_id", "active")
        ),
        "candidates": set(people.values_list("remote_id", "first_name", "last_name")),
        "applications": set(
            applications.values_list(
                "remote_id",
                "status",
                "job__remote_id",
                "candidate__remote_id",
                "stage__remote_id",
            )
        ),
    }
