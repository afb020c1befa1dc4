"""Batches of actions: preview, delay, sending, outcomes, retry and undo."""

from __future__ import annotations

import re
import uuid

import pytest
from django.test import Client
from django.urls import reverse

from integrations.greenhouse.sandbox import Sandbox
from portal.applications.actions.handlers import ACTION_HANDLERS
from portal.applications.batches import runner
from portal.applications.models import ActionKind, ApplicationAction, Batch
from portal.audit.models import Entry
from portal.connections.models import Connection
from portal.sync.models import Application, Job, Stage
from tests.api_generations import any_generation
from tests.personas import Personas
from tests.portal.applications.action_helpers import (
    get_sandbox_application,
    list_writes,
    submit_action,
)
from tests.portal.applications.action_matrix import WRITE, is_applied
from tests.portal.applications.batch_helpers import (
    confirm_batch,
    first_reason_pk,
    open_bulk_page,
    pick_from_one_job,
    retry_batch,
)

Status = ApplicationAction.Status


@pytest.fixture
def remy(personas: Personas, connect, sign_in, kind: str) -> Client:
    connect(kind)
    return sign_in(personas.remy)


@any_generation
def test_preview_separates_unfitting_applications(
    remy: Client, sandbox: Sandbox, run_tasks
) -> None:
    chosen = pick_from_one_job(3)
    Application.objects.filter(pk=chosen[0].pk).update(status="hired")
    submit_action(remy, "advance", chosen[1])  # still waiting to be sent
    page = open_bulk_page(remy, "reject", chosen).content.decode()
    assert "Reject 1 application" in page
    assert "Skipped (2)" in page
    assert "is hired in Greenhouse" in page
    assert "is still in progress" in page
    assert "Stop viewing" not in page  # only shown to staff who view as somebody
    assert list_writes(sandbox) == []


def test_batch_rejects_every_application(remy: Client, sandbox: Sandbox, finish_actions) -> None:
    chosen = pick_from_one_job(3)
    incomplete = confirm_batch(remy, "reject", chosen, reason="")
    assert incomplete.status_code == 422
    assert "Select a reason" in incomplete.content.decode()
    response = confirm_batch(remy, "reject", chosen, reason=first_reason_pk())
    waiting_page = remy.get(response.url).content.decode()
    assert "Rejecting in" in waiting_page
    assert list_writes(sandbox) == []
    finish_actions()
    finished_page = remy.get(response.url).content.decode()
    assert "3 rejected" in finished_page
    assert {get_sandbox_application(sandbox, application).status for application in chosen} == {
        "rejected"
    }


@any_generation
def test_batch_undone_in_time_sends_nothing(remy: Client, sandbox: Sandbox, finish_actions) -> None:
    response = confirm_batch(remy, "advance", pick_from_one_job(3))
    batch = Batch.objects.get()
    remy.post(reverse("applications:cancel_batch", args=[batch.pk]))
    finish_actions()
    assert "3 canceled" in remy.get(response.url).content.decode()
    assert list_writes(sandbox) == []


def test_batch_page_stays_after_requisition_closed(remy: Client, finish_actions) -> None:
    response = confirm_batch(remy, "advance", pick_from_one_job(3))
    finish_actions()
    batch = Batch.objects.get()
    Job.objects.filter(pk=batch.job_id).update(status="closed")
    assert "3 advanced" in remy.get(response.url).content.decode()
    undo_url = reverse("applications:undo_batch", args=[batch.pk])
    page = remy.post(undo_url, follow=True).content.decode()
    assert "None of these can be undone anymore." in page
    assert Batch.objects.count() == 1


@any_generation
def test_batch_lists_and_retries_failures_first(
    remy: Client, sandbox: Sandbox, finish_actions
) -> None:
    chosen = pick_from_one_job(4)
    page = open_bulk_page(remy, "advance", chosen)
    done_count = len(chosen) - 2
    moved = chosen[-2:]
    for application in moved:
        sandbox.run_mutation("move_application", application_id=application.remote_id)
    response = confirm_batch(remy, "advance", chosen, page=page)
    finish_actions()
    batch_page = remy.get(response.url)
    assert [a.status for a in batch_page.context["page"]] == [
        *("conflict", "conflict"),
        *["done"] * done_count,
    ]
    assert f"{done_count} advanced, 2 not advanced" in batch_page.content.decode()
    writes_before = len(list_writes(sandbox))
    batch = Batch.objects.get()
    for _ in range(2):  # a double click
        retry_response = retry_batch(remy, batch, batch_page)
    finish_actions()
    assert Batch.objects.count() == 2
    assert len(list_writes(sandbox)) == writes_before + 2
    assert "2 advanced" in remy.get(retry_response.url).content.decode()


@any_generation
def test_batch_logged_once_with_counts(remy: Client, sandbox: Sandbox, finish_actions) -> None:
    chosen = pick_from_one_job(3)
    sandbox.run_mutation("move_application", application_id=chosen[0].remote_id)
    confirm_batch(remy, "advance", chosen)
    finish_actions()
    [entry] = Entry.objects.filter(verb="batch.advanced")
    assert entry.description.startswith("advanced 2 of 3 selected applications in Greenhouse as ")
    assert entry.after == {"job": chosen[0].job.remote_id}  # its title is not for everybody
    assert not Entry.objects.filter(verb="application.advanced").exists()


@pytest.mark.parametrize(
    "action_kind",
    [ActionKind.ADVANCE, ActionKind.REJECT, ActionKind.MOVE, ActionKind.UNREJECT],
)
@any_generation
def test_batch_lost_responses_not_resent(
    remy: Client, sandbox: Sandbox, finish_actions, action_kind: str
) -> None:
    chosen = pick_from_one_job(3)
    state = "rejected" if action_kind == ActionKind.UNREJECT else "active"
    for application in chosen if state == "rejected" else ():
        sandbox.run_mutation("reject_application", application_id=application.remote_id)
        Application.objects.filter(pk=application.pk).update(status="rejected")
    page = open_bulk_page(remy, action_kind, chosen)
    later_stage = Stage.objects.filter(job=chosen[0].job_id, active=True).order_by("order")[2]
    fields = (
        {"reason": first_reason_pk()}
        if action_kind == ActionKind.REJECT
        else {"to_stage": later_stage.pk}
    )
    sandbox.faults.add_fault(regex=WRITE, method="POST", kind="drop_after", times=2)
    response = confirm_batch(remy, action_kind, chosen, page=page, **fields)
    finish_actions()
    past_tense = ACTION_HANDLERS[action_kind].past_tense
    assert f"3 {past_tense}" in remy.get(response.url).content.decode()
    assert all(is_applied(sandbox, action_kind, application) for application in chosen)
    attempts = [r for r in sandbox.requests if r.method == "POST" and re.search(WRITE, r.path)]
    assert len([r for r in attempts if "/applications/0/" not in r.path]) == 3


@any_generation
def test_batch_undo_reverses_every_application(
    remy: Client, sandbox: Sandbox, finish_actions
) -> None:
    chosen = pick_from_one_job(3)
    response = confirm_batch(remy, "reject", chosen, reason=first_reason_pk())
    finish_actions()
    sandbox.run_mutation("unreject_application", application_id=chosen[0].remote_id)
    assert "Undo 3" in remy.get(response.url).content.decode()
    for _ in range(2):
        undo_response = remy.post(
            reverse("applications:undo_batch", args=[Batch.objects.last().pk])
        )
    finish_actions()
    assert {get_sandbox_application(sandbox, application).status for application in chosen} == {
        "active"
    }
    # An application that somebody had already unrejected counts as a conflict, not as done.
    assert "2 undone, 1 not undone" in remy.get(undo_response.url).content.decode()


@any_generation
def test_batch_can_select_entire_filter(remy: Client) -> None:
    application = pick_from_one_job(1)[0]
    page = remy.get(
        reverse("applications:start_batch", args=[application.job_id]),
        {
            "kind": "advance",
            "all_matching": "yes",
            "status": "active",
            "stage": application.stage_id,
        },
    ).content.decode()
    assert re.search("All [0-9]+ active applications? in “", page)
    matches = Application.objects.filter(
        job=application.job_id,
        stage=application.stage_id,
        status="active",
        candidate__private=False,
    )
    assert re.search(rf"Advance {matches.count()} application", page)


@any_generation
def test_batch_double_submit_creates_one(remy: Client, sandbox: Sandbox, finish_actions) -> None:
    chosen = pick_from_one_job(2)
    page = open_bulk_page(remy, "advance", chosen)
    responses = [confirm_batch(remy, "advance", chosen, page=page) for _ in range(2)]
    finish_actions()
    assert responses[0].url == responses[1].url
    assert len(list_writes(sandbox)) == 2


@any_generation
def test_batch_waits_during_outage(
    remy: Client,
    sandbox: Sandbox,
    finish_actions,
    run_tasks,
    advance_clock,
    settings,
    quick_retries: None,
) -> None:
    working_url = settings.GREENHOUSE_API_URL
    confirm_batch(remy, "advance", pick_from_one_job(3))
    settings.GREENHOUSE_API_URL = settings.GREENHOUSE_AUTH_URL = "http://127.0.0.1:9"
    finish_actions()
    waiting = ApplicationAction.objects.filter(status=Status.SCHEDULED)
    assert waiting.count() == 3
    assert sum(waiting.values_list("attempts", flat=True)) == 1  # only one was tried
    settings.GREENHOUSE_API_URL = settings.GREENHOUSE_AUTH_URL = working_url
    finish_actions()
    assert {a.status for a in ApplicationAction.objects.all()} == {Status.DONE}


@any_generation
def test_batch_resumes_after_worker_death(
    remy: Client, sandbox: Sandbox, run_tasks, advance_clock
) -> None:
    from django_q.brokers import get_broker

    confirm_batch(remy, "advance", pick_from_one_job(3))
    advance_clock(11)
    runner.release_due_batches()
    get_broker().purge_queue()
    runner.release_due_batches()
    assert run_tasks() == 0  # its lease has not expired yet
    advance_clock(61)
    runner.release_due_batches()
    run_tasks()
    assert len(list_writes(sandbox)) == 3


@any_generation
def test_batch_limited_to_allowed_kinds_and_access(
    remy: Client, personas: Personas, sign_in
) -> None:
    chosen = pick_from_one_job(2)
    assert open_bulk_page(remy, "hire", chosen).status_code == 404
    confirm_batch(remy, "advance", chosen)
    batch = Batch.objects.get()
    other_job_application = Application.objects.exclude(job_id=chosen[0].job_id).first()
    assert other_job_application is not None
    page = open_bulk_page(remy, "advance", [chosen[0], other_job_application])
    assert len(page.context["preview"].eligible) + len(page.context["preview"].skipped) == 1
    for name in ("zoe", "uma", "sam"):
        stranger = sign_in(getattr(personas, name))
        assert stranger.get(reverse("applications:batch", args=[batch.pk])).status_code == 404
        for url_name in ("cancel_batch", "undo_batch", "retry_batch"):
            assert (
                stranger.post(reverse(f"applications:{url_name}", args=[batch.pk])).status_code
                == 404
            )
    assert open_bulk_page(sign_in(personas.zoe), "advance", chosen).status_code == 404


@any_generation
def test_batch_query_count_stays_constant(remy: Client, django_assert_max_num_queries) -> None:
    chosen = pick_from_one_job(2)
    job = chosen[0].job
    Application.objects.bulk_create(
        Application(
            connection_id=job.connection_id,
            remote_id=8_100_000 + n,
            job=job,
            candidate=chosen[0].candidate,
            stage=chosen[0].stage,
            stage_remote_id=chosen[0].stage_remote_id,
            status="active",
        )
        for n in range(40)
    )
    address = reverse("applications:start_batch", args=[job.pk])
    with django_assert_max_num_queries(18):
        page = remy.get(address, {"kind": "advance", "all_matching": "yes"})
    assert len(page.context["preview"].eligible) > 40
    response = confirm_batch(remy, "advance", chosen, page=page)
    with django_assert_max_num_queries(18):
        remy.get(response.url)


@pytest.mark.parametrize("owner", ["sam", "zoe"], ids=["colleague", "other organization"])
@any_generation
def test_batch_with_foreign_key_is_refused(
    remy: Client, personas: Personas, sandbox: Sandbox, owner: str
) -> None:
    chosen = pick_from_one_job(2)
    page = open_bulk_page(remy, "advance", chosen)
    foreign = _create_foreign_batch(personas, owner, page.context["form"]["key"].value())
    response = confirm_batch(remy, "advance", chosen, page=page)
    assert response.status_code == 409
    assert "Nothing was sent" in response.content.decode()
    assert list(Batch.objects.all()) == [foreign]
    assert not ApplicationAction.objects.exists()
    assert confirm_batch(remy, "advance", chosen, page=response).status_code == 302  # a new key


@any_generation
def test_key_of_another_kind_is_refused(remy: Client) -> None:
    chosen = pick_from_one_job(2)
    page = open_bulk_page(remy, "advance", chosen)
    confirm_batch(remy, "advance", chosen, page=page)
    reason = first_reason_pk()
    assert confirm_batch(remy, "reject", chosen, page=page, reason=reason).status_code == 409
    assert [batch.kind for batch in Batch.objects.all()] == ["advance"]


@pytest.mark.parametrize("owner", ["sam", "zoe"], ids=["colleague", "other organization"])
@any_generation
def test_repeated_batch_with_foreign_key_is_refused(
    remy: Client, personas: Personas, sandbox: Sandbox, finish_actions, owner: str
) -> None:
    chosen = pick_from_one_job(2)
    page = open_bulk_page(remy, "advance", chosen)
    sandbox.run_mutation("move_application", application_id=chosen[0].remote_id)
    response = confirm_batch(remy, "advance", chosen, page=page)
    finish_actions()
    batch = Batch.objects.get()
    for purpose in ("retry", "undo"):
        _create_foreign_batch(personas, owner, uuid.uuid5(batch.key, purpose))
    assert retry_batch(remy, batch).url == response.url
    undo_url = reverse("applications:undo_batch", args=[batch.pk])
    assert remy.post(undo_url).url == response.url
    assert Batch.objects.filter(membership=personas.remy).count() == 1


def _create_foreign_batch(personas: Personas, owner: str, key: uuid.UUID | str) -> Batch:
    membership = getattr(personas, owner)
    connection, _ = Connection.objects.get_or_create(organization=membership.organization)
    job, _ = Job.objects.get_or_create(connection=connection, remote_id=990_001)
    return Batch.objects.create(membership=membership, job=job, kind="advance", key=key)
