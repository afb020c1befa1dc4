"""Batches undone and retried, settled late, and partly left out."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django.utils.html import escape

from integrations.greenhouse.sandbox import Sandbox
from portal.applications.actions import outbox
from portal.applications.batches import runner
from portal.applications.models import ApplicationAction, Batch
from portal.audit.models import Entry
from portal.sync.models import Application, Candidate, RejectionReason, Stage
from tests.personas import Personas
from tests.portal.applications.action_helpers import (
    build_action_url,
    get_sandbox_application,
    list_applications,
    list_writes,
    submit_action,
)
from tests.portal.applications.action_matrix import WRITE
from tests.portal.applications.batch_helpers import (
    confirm_batch,
    first_reason_pk,
    open_bulk_page,
    pick_from_one_job,
    retry_batch,
)

Status = ApplicationAction.Status


@pytest.fixture
def remy(personas: Personas, connect, sign_in) -> Client:
    connect()
    return sign_in(personas.remy)


def _post_button(client: Client, name: str, batch: Batch) -> Batch:
    """Press one of the batch's buttons and return the batch whose page follows."""
    page = client.get(reverse("applications:batch", args=[batch.pk]))
    data = {"selection": page.context["retry_selection"]} if name == "retry_batch" else {}
    url = client.post(reverse(f"applications:{name}", args=[batch.pk]), data).url
    return Batch.objects.get(pk=int(url.rstrip("/").rpartition("/")[2]))


def _get_page(client: Client, batch: Batch) -> str:
    page: str = client.get(reverse("applications:batch", args=[batch.pk])).content.decode()
    return page


def _latest_batch() -> Batch:
    return Batch.objects.first()


def _pick_from_two_stages(client: Client, run_tasks) -> list[Application]:
    """Three applications of one job, the first a stage further than the others."""
    chosen = pick_from_one_job(3)
    submit_action(client, "advance", chosen[0])
    run_tasks()
    return list(
        Application.objects.filter(pk__in=[application.pk for application in chosen]).order_by("pk")
    )


def _remote_stages(sandbox: Sandbox, chosen: list[Application]) -> list[int]:
    return [get_sandbox_application(sandbox, application).stage_id for application in chosen]


def test_retried_undo_restores_individual_stages(
    remy: Client, sandbox: Sandbox, finish_actions, run_tasks
) -> None:
    chosen = _pick_from_two_stages(remy, run_tasks)
    start_stages = _remote_stages(sandbox, chosen)
    assert len(set(start_stages)) == 2
    confirm_batch(remy, "advance", chosen)
    finish_actions()
    batch = _latest_batch()
    sandbox.faults.add_fault(regex=WRITE, method="POST", status=422, times=3)
    undoing = _post_button(remy, "undo_batch", batch)
    finish_actions()
    assert {a.status for a in undoing.actions.all()} == {Status.REFUSED}
    retry = _post_button(remy, "retry_batch", undoing)
    finish_actions()
    assert retry != undoing
    assert _remote_stages(sandbox, chosen) == start_stages
    assert retry.undoes == batch
    assert {a.undoes for a in retry.actions.all()} == set(batch.actions.all())
    assert "Undo “Advance” on 3 applications" in _get_page(remy, retry)


def test_retry_keeps_individual_reason_and_notes(
    remy: Client, sandbox: Sandbox, finish_actions
) -> None:
    chosen = pick_from_one_job(2)
    sandbox.faults.add_fault(regex=WRITE, method="POST", status=422, times=2)
    confirm_batch(remy, "reject", chosen, reason=first_reason_pk(), notes="Not now")
    finish_actions()
    first = _latest_batch()
    other_reason = RejectionReason.objects.exclude(pk=first_reason_pk()).first()
    ApplicationAction.objects.filter(pk=first.actions.first().pk).update(
        notes="", reason=other_reason
    )
    retry = _post_button(remy, "retry_batch", first)
    details = [
        set(batch.actions.values_list("application", "reason", "notes")) for batch in (first, retry)
    ]
    assert len({reason for _, reason, _ in details[0]}) == 2
    assert details[0] == details[1]


@pytest.mark.parametrize("ending", ["canceled", "refused"])
def test_failed_batch_undo_can_be_repeated(
    remy: Client, sandbox: Sandbox, finish_actions, ending: str
) -> None:
    chosen = pick_from_one_job(2)
    start_stages = _remote_stages(sandbox, chosen)
    confirm_batch(remy, "advance", chosen)
    finish_actions()
    batch = _latest_batch()
    if ending == "refused":
        sandbox.faults.add_fault(regex=WRITE, method="POST", status=422, times=2)
    failed_undo = _post_button(remy, "undo_batch", batch)
    if ending == "canceled":
        _post_button(remy, "cancel_batch", failed_undo)
    finish_actions()
    page = _get_page(remy, batch)
    assert "View undo" not in page
    assert "Undo 2" in page
    repeated_undos = [_post_button(remy, "undo_batch", batch) for _ in range(2)]  # a double click
    assert repeated_undos[0] == repeated_undos[1] != failed_undo
    finish_actions()
    assert _remote_stages(sandbox, chosen) == start_stages
    assert "View undo" in _get_page(remy, batch)
    assert _post_button(remy, "undo_batch", batch) == repeated_undos[0]


def test_withdrawn_batch_retry_can_be_repeated(
    remy: Client, sandbox: Sandbox, finish_actions
) -> None:
    chosen = pick_from_one_job(2)
    sandbox.faults.add_fault(regex=WRITE, method="POST", status=422, times=2)
    confirm_batch(remy, "advance", chosen)
    finish_actions()
    first = _latest_batch()
    withdrawn_retry = _post_button(remy, "retry_batch", first)
    _post_button(remy, "cancel_batch", withdrawn_retry)
    page = remy.get(reverse("applications:batch", args=[first.pk]))
    retry_urls = [retry_batch(remy, first, page).url for _ in range(2)]  # a double click
    assert (
        retry_urls[0] == retry_urls[1] != reverse("applications:batch", args=[withdrawn_retry.pk])
    )
    finish_actions()
    assert len(list_writes(sandbox)) == 2
    assert retry_batch(remy, first, page).url == retry_urls[0]
    assert f'href="{retry_urls[0]}">View retry' in _get_page(remy, first)


def _log_summaries() -> list[str]:
    entries = Entry.objects.filter(verb="batch.advanced").order_by("id")
    return [entry.description.partition(" selected")[0] for entry in entries]


@pytest.mark.parametrize("lost", [1, 3])
def test_log_waits_for_late_outcomes(
    remy: Client,
    sandbox: Sandbox,
    finish_actions,
    run_tasks,
    advance_clock,
    lost: int,
    quick_retries: None,
    settings,
) -> None:
    settings.BREAKER_FAILURES = 0  # it would hold the third action back
    chosen = pick_from_one_job(3)
    confirm_batch(remy, "advance", chosen)
    batch = _latest_batch()
    late_actions = list(batch.actions.order_by("-id")[:lost])
    if lost == 3:
        sandbox.faults.add_fault(regex=WRITE, method="POST", kind="drop_after", times=3)
        sandbox.faults.add_fault(regex="/applications", method="GET", status=500, times=None)
    else:  # another worker took it and never reported
        taken_action = ApplicationAction.objects.filter(pk=late_actions[0].pk)
        sandbox.run_mutation(
            "move_application", application_id=late_actions[0].application.remote_id
        )
        taken_action.update(status=Status.UNKNOWN)
    finish_actions()
    assert batch.actions.filter(status=Status.UNKNOWN).count() == lost
    assert _log_summaries() == []
    sandbox.faults.clear_faults()
    advance_clock(31)
    outbox.release_due_actions()
    run_tasks()
    assert batch.actions.filter(status=Status.DONE).count() == 3
    assert _log_summaries() == ["advanced 3 of 3"]
    _post_button(remy, "cancel_batch", batch)
    advance_clock(61)
    runner.release_due_batches()
    run_tasks()
    assert _log_summaries() == ["advanced 3 of 3"]


def test_log_written_after_single_withdrawal(
    remy: Client, finish_actions, run_tasks, advance_clock
) -> None:
    chosen = pick_from_one_job(3)
    confirm_batch(remy, "advance", chosen)
    batch = _latest_batch()
    last = batch.actions.order_by("-id")[0]
    waiting = ApplicationAction.objects.filter(pk=last.pk)
    advance_clock(11)
    waiting.update(due_at=last.due_at + timedelta(seconds=60))
    runner.release_due_batches()
    run_tasks()
    assert _log_summaries() == []
    assert remy.post(build_action_url("cancel_action", last.pk)).status_code == 302
    advance_clock(61)
    runner.release_due_batches()
    run_tasks()
    assert _log_summaries() == ["advanced 2 of 3"]


def test_move_skips_applications_already_there(
    remy: Client, sandbox: Sandbox, finish_actions, run_tasks
) -> None:
    chosen = _pick_from_two_stages(remy, run_tasks)
    before = len(list_writes(sandbox))
    [target_stage] = {application.stage for application in chosen if application.stage.order == 1}
    response = confirm_batch(remy, "move", chosen, to_stage=target_stage.pk)
    page = remy.get(response.url).content.decode()
    assert "1 skipped: Already in this stage." in page
    assert "1 skipped." in page
    finish_actions()
    assert len(list_writes(sandbox)) == before + 2
    assert set(_remote_stages(sandbox, chosen)) == {target_stage.remote_id}


def test_retry_conflicts_with_unseen_changes(
    remy: Client, sandbox: Sandbox, finish_actions
) -> None:
    chosen = pick_from_one_job(2)
    sandbox.faults.add_fault(regex=WRITE, method="POST", status=422, times=2)
    confirm_batch(remy, "advance", chosen)
    finish_actions()
    first = _latest_batch()
    page = remy.get(reverse("applications:batch", args=[first.pk]))
    assert (
        page.content.decode().count(f"<span>{chosen[0].stage_name}</span>") == 2
    )  # the current stage
    sandbox.run_mutation("move_application", application_id=chosen[0].remote_id)
    retry_batch(remy, first, page)
    finish_actions()
    retry = _latest_batch()
    outcomes = dict(retry.actions.values_list("application", "status"))
    assert outcomes == {chosen[0].pk: Status.CONFLICT, chosen[1].pk: Status.DONE}
    assert retry.actions.get(status=Status.CONFLICT).seen_stage_name == chosen[0].stage_name
    assert len(list_writes(sandbox)) == 1


def test_retry_button_hidden_when_nothing_fits(
    remy: Client, sandbox: Sandbox, finish_actions
) -> None:
    chosen = pick_from_one_job(2)
    sandbox.faults.add_fault(regex=WRITE, method="POST", status=422, times=2)
    confirm_batch(remy, "advance", chosen)
    finish_actions()
    page = remy.get(reverse("applications:batch", args=[_latest_batch().pk]))
    assert "Retry 2" in page.content.decode()
    Application.objects.filter(pk=chosen[0].pk).update(status="rejected")
    assert "Retry 1 of 2" in _get_page(remy, _latest_batch())
    Application.objects.filter(pk=chosen[1].pk).update(status="rejected")
    assert "batch-retry" not in _get_page(remy, _latest_batch())
    response_page = remy.get(retry_batch(remy, _latest_batch(), page).url).content.decode()
    assert "2 skipped:" in response_page
    assert "None of these can be retried." in response_page
    assert Batch.objects.count() == 1


def test_batch_page_hides_inaccessible_candidates(
    remy: Client, sandbox: Sandbox, finish_actions
) -> None:
    chosen = pick_from_one_job(3)
    confirm_batch(remy, "advance", chosen)
    finish_actions()
    hidden = Application.objects.select_related("candidate", "stage").get(pk=chosen[0].pk)
    name, visible_name = str(hidden.candidate), str(chosen[1].candidate)
    assert escape(name) in _get_page(remy, _latest_batch())
    Candidate.objects.filter(pk=hidden.candidate_id).update(private=True)
    page = _get_page(remy, _latest_batch())
    assert escape(name) not in page
    assert page.count("You no longer have access to this application") == 1
    assert escape(visible_name) in page
    assert "Undo 2" in page


def test_retry_requires_positions_from_page(remy: Client, sandbox: Sandbox, finish_actions) -> None:
    sandbox.faults.add_fault(regex=WRITE, method="POST", status=422, times=2)
    confirm_batch(remy, "advance", pick_from_one_job(2))
    finish_actions()
    for data in ({}, {"selection": "nonsense"}):
        response = remy.post(
            reverse("applications:retry_batch", args=[_latest_batch().pk]), data, follow=True
        )
        assert "Part of the page was missing" in response.content.decode()
    assert Batch.objects.count() == 1


def test_batch_page_paginates_and_polls_same_page(
    remy: Client, finish_actions, monkeypatch
) -> None:
    monkeypatch.setattr("portal.applications.views.batches.PER_PAGE", 2)
    url = confirm_batch(remy, "advance", pick_from_one_job(3)).url
    second_page = remy.get(url, {"page": 2})
    assert len(second_page.context["page"].object_list) == 1
    assert "3 to 3 of 3" in second_page.content.decode()
    polled_url = second_page.context["page"].url
    assert f'hx-get="{escape(polled_url)}"' in second_page.content.decode()  # while it runs
    finish_actions()
    assert (
        "1 to 2 of 3"
        in remy.get(f"{url}{second_page.context['page'].previous_url}").content.decode()
    )


def test_retry_skips_application_moved_to_target(
    remy: Client, sandbox: Sandbox, finish_actions, run_tasks
) -> None:
    chosen = pick_from_one_job(1)
    target_stage = Stage.objects.filter(job=chosen[0].job_id, active=True).order_by("order")[1]
    page = open_bulk_page(remy, "move", chosen)
    sandbox.run_mutation(
        "move_application", application_id=chosen[0].remote_id, stage_id=target_stage.remote_id
    )
    confirm_batch(remy, "move", chosen, page=page, to_stage=target_stage.pk)
    finish_actions()
    conflict = _latest_batch()
    assert conflict.actions.get().status == Status.CONFLICT
    assert _post_button(remy, "retry_batch", conflict) == conflict
    assert list_writes(sandbox) == []


def test_batch_conflict_names_stage_on_screen(
    remy: Client, sandbox: Sandbox, finish_actions
) -> None:
    [application] = pick_from_one_job(1)
    page = open_bulk_page(remy, "advance", [application])
    target_stage = Stage.objects.filter(job=application.job_id, active=True).order_by("order")[1]
    sandbox.run_mutation(
        "move_application", application_id=application.remote_id, stage_id=target_stage.remote_id
    )
    Application.objects.filter(pk=application.pk).update(  # already synced
        stage=target_stage,
        stage_remote_id=target_stage.remote_id,
        stage_name=target_stage.name,
        stage_entry_id=get_sandbox_application(sandbox, application).entry_id,
    )
    confirm_batch(remy, "advance", [application], page=page)
    finish_actions()
    action = ApplicationAction.objects.get()
    assert action.status == Status.CONFLICT
    assert action.seen_stage_name == application.stage_name
    row = remy.get(build_action_url("row", application.pk)).content.decode()
    assert f"it's now in “{target_stage.name}”" in row
    assert f"in “{application.stage_name}”" in row


def test_batch_patience_counts_from_first_attempt(
    remy: Client, sandbox: Sandbox, advance_clock, run_tasks
) -> None:
    confirm_batch(remy, "advance", pick_from_one_job(2))
    advance_clock(11 * 60)  # sending the rest of the batch took this long
    sandbox.faults.add_fault(regex=WRITE, method="POST", status=429, retry_after=120, times=None)
    runner.release_due_batches()
    run_tasks()
    states = set(ApplicationAction.objects.values_list("status", flat=True))
    assert states == {Status.SCHEDULED}
    sandbox.faults.clear_faults()
    advance_clock(121)
    runner.release_due_batches()
    run_tasks()
    assert {a.status for a in ApplicationAction.objects.all()} == {Status.DONE}


def test_batch_gives_up_together_during_outage(
    remy: Client, advance_clock, run_tasks, settings, quick_retries: None
) -> None:
    confirm_batch(remy, "advance", pick_from_one_job(3))
    settings.GREENHOUSE_API_URL = settings.GREENHOUSE_AUTH_URL = "http://127.0.0.1:9"
    for _ in range(14):
        advance_clock(61)
        runner.release_due_batches()
        run_tasks()
    assert {a.status for a in ApplicationAction.objects.all()} == {Status.FAILED}


@pytest.mark.parametrize("number", ["9" * 5000, "9" * 30, "²"], ids=["huge", "big", "digit"])
def test_bulk_ignores_out_of_range_numbers(remy: Client, number: str) -> None:
    [application] = pick_from_one_job(1)
    bulk_page = reverse("applications:start_batch", args=[application.job_id])
    params = {"kind": "advance", "selected": [number, application.pk]}
    assert len(remy.get(bulk_page, params).context["preview"].eligible) == 1
    for query in ({"kind": "advance", "all_matching": "yes", "stage": number}, {"stage": number}):
        assert remy.get(bulk_page, {"kind": "advance", **query}).status_code == 200
    job_page = reverse("applications:job_detail", args=[application.job_id])
    assert remy.get(job_page, {"stage": number}).status_code == 200
    form = open_bulk_page(remy, "advance", [application]).context["form"]
    for chosen in (f"{number}::", f"{application.pk}:{number}:", f"{application.pk}::{number}"):
        posted = {"kind": "advance", "key": form["key"].value(), "selection": chosen}
        response = remy.post(bulk_page, posted)
        assert response.status_code == 422


def test_checkboxes_shown_only_for_actionable_status(remy: Client) -> None:
    application = list_applications()[0]
    page = reverse("applications:job_detail", args=[application.job_id])
    checkboxes = {
        status: 'form="bulk"' in remy.get(page, {"status": status}).content.decode()
        for status in ("active", "hired", "")
    }
    assert checkboxes == {"active": True, "hired": False, "": False}


@pytest.mark.parametrize(
    ("status", "has_checkbox"), [("active", True), ("", False)], ids=["active", "all"]
)
def test_polled_row_keeps_checkbox_of_its_page(
    remy: Client, status: str, has_checkbox: bool
) -> None:
    application = list_applications()[0]
    page = reverse("applications:job_detail", args=[application.job_id])
    row = remy.get(
        build_action_url("row", application.pk),
        HTTP_HX_REQUEST="true",
        HTTP_HX_CURRENT_URL=f"http://testserver{page}?status={status}",
    ).content.decode()
    assert ('form="bulk"' in row) is has_checkbox


def test_batch_undo_warns_about_scheduled_email(remy: Client, finish_actions) -> None:
    chosen = pick_from_one_job(2)
    confirm_batch(remy, "reject", chosen, reason=first_reason_pk())
    finish_actions()
    page_without_email = _get_page(remy, _latest_batch())
    assert 'data-confirm-text="They become active again in Greenhouse."' in page_without_email
    for action in ApplicationAction.objects.all():
        action.parameters = {"template": 1, "template_name": "Sorry", "mail_after": 60}
        action.save()
    page_with_email = _get_page(remy, _latest_batch())
    assert "Undo may not stop the scheduled email" in page_with_email
    assert "won't reverse" not in page_with_email


def test_batch_linked_from_activity_and_rows(
    remy: Client, finish_actions, sign_in, personas: Personas
) -> None:
    chosen = pick_from_one_job(2)
    confirm_batch(remy, "advance", chosen)
    finish_actions()
    link = f'href="{reverse("applications:batch", args=[_latest_batch().pk])}"'
    row = build_action_url("row", chosen[0].pk)
    assert link in remy.get("/activity/").content.decode()
    assert link in remy.get(row).content.decode()
    assert link not in sign_in(personas.sam).get(row).content.decode()  # it is Remy's
