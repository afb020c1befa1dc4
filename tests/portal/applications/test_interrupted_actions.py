"""Actions interrupted half-way: internal errors, lost responses, and undos that failed."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from integrations.ats.client_context import Lane
from integrations.ats.types import WriteResult
from integrations.greenhouse.sandbox import Sandbox
from portal.applications.actions import audit_log, outbox, perform
from portal.applications.actions.handlers.advance import AdvanceHandler
from portal.applications.models import ApplicationAction
from portal.connections.client import open_interactive_provider
from portal.connections.models import Credential
from portal.sync.models import Application, AtsUser, CustomField, RejectionReason, Stage
from portal.sync.records.record_refresh import refresh_application
from tests.api_generations import any_generation
from tests.personas import Personas
from tests.portal.applications.action_helpers import (
    HTMX,
    build_action_url,
    fetch_row,
    find_application,
    get_latest_action,
    get_sandbox_application,
    list_writes,
    reject_application,
    submit_action,
)
from tests.portal.applications.action_matrix import WRITE

Status = ApplicationAction.Status


@pytest.fixture
def remy(personas: Personas, connect, sign_in, kind: str) -> Client:
    connect(kind)
    return sign_in(personas.remy)


@pytest.fixture
def sam(remy: Client, personas: Personas, sign_in) -> Client:
    return sign_in(personas.sam)


def _settle_after(advance_clock, run_tasks, seconds: float = 40) -> ApplicationAction:
    advance_clock(seconds)
    outbox.release_due_actions()
    run_tasks()
    return get_latest_action()


def _raise_error(*_: Any, **__: Any) -> None:
    raise ZeroDivisionError


@any_generation
def test_internal_error_reconciled_without_resending(
    remy: Client, sandbox: Sandbox, run_tasks, advance_clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    application = find_application()
    submit_action(remy, "advance", application)
    with monkeypatch.context() as patched:
        patched.setattr(AdvanceHandler, "send", _raise_error)
        run_tasks()
    assert get_latest_action().status == Status.UNKNOWN
    action = _settle_after(advance_clock, run_tasks)
    assert (action.status, "nothing changed" in action.outcome) == (Status.FAILED, True)
    assert list_writes(sandbox) == []


@any_generation
def test_update_refuses_removed_field_option(remy: Client, sandbox: Sandbox, run_tasks) -> None:
    application = find_application()
    field = CustomField.objects.get(key="notice_period")
    submit_action(remy, "update", application, **{f"custom-{field.pk}": field.options[0][0]})
    action = get_latest_action()
    # What a retried update stores once the option was removed in Greenhouse.
    del action.parameters["custom"]["notice_period"]["send"]
    action.save()
    run_tasks()
    action = get_latest_action()
    assert action.status == Status.REFUSED, action.outcome
    assert "no longer exists in Greenhouse" in fetch_row(remy, application)
    assert list_writes(sandbox) == []


def test_deleted_application_settles_as_conflict(
    remy: Client, sandbox: Sandbox, run_tasks, advance_clock
) -> None:
    application = find_application()
    sandbox.faults.add_fault(regex=WRITE, method="POST", kind="drop_before", times=1)
    submit_action(remy, "advance", application)
    run_tasks()
    assert get_latest_action().status == Status.UNKNOWN
    sandbox.run_mutation("delete_application", application_id=application.remote_id)
    action = _settle_after(advance_clock, run_tasks)
    assert (action.status, action.outcome) == (
        Status.CONFLICT,
        "Greenhouse no longer has this application.",
    )


@any_generation
def test_unreadable_outcome_polled_less_often(
    remy: Client, sandbox: Sandbox, run_tasks, advance_clock, quick_retries: None
) -> None:
    application = find_application()
    sandbox.faults.add_fault(regex=WRITE, method="POST", kind="drop_before", times=1)
    sandbox.faults.add_fault(regex=r"/applications", method="GET", status=500, times=None)
    submit_action(remy, "advance", application)
    run_tasks()
    for _ in range(3):
        reads = _count_reads(sandbox)
        assert _settle_after(advance_clock, run_tasks, 21).status == Status.UNKNOWN
    assert _count_reads(sandbox) > reads  # every twenty seconds at first
    assert _settle_after(advance_clock, run_tasks, 600).status == Status.UNKNOWN
    reads = _count_reads(sandbox)
    assert _settle_after(advance_clock, run_tasks, 21).status == Status.UNKNOWN
    assert _count_reads(sandbox) == reads
    sandbox.faults.clear_faults()
    assert _settle_after(advance_clock, run_tasks, 300).status == Status.FAILED


def _count_reads(sandbox: Sandbox) -> int:
    return sum(e.method == "GET" and "/applications" in e.path for e in sandbox.requests)


@any_generation
def test_settle_delay_counts_from_actual_send(
    remy: Client, sandbox: Sandbox, run_tasks, advance_clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    application = find_application()
    send = AdvanceHandler.send

    def send_late(self: AdvanceHandler, *args: Any) -> Any:
        advance_clock(35)  # delayed by the rate limit
        return send(self, *args)

    monkeypatch.setattr(AdvanceHandler, "send", send_late)
    sandbox.faults.add_fault(regex=WRITE, method="POST", kind="drop_before", times=1)
    submit_action(remy, "advance", application)
    run_tasks()
    assert get_latest_action().status == Status.UNKNOWN
    assert _settle_after(advance_clock, run_tasks).status == Status.FAILED


def test_foreign_rejection_not_taken_as_ours(
    remy: Client, sandbox: Sandbox, run_tasks, advance_clock, settings
) -> None:
    settings.REJECT_UNDO_SECONDS = 0
    application = find_application()
    ours, theirs = RejectionReason.objects.order_by("remote_id")[:2]
    sandbox.faults.add_fault(regex=WRITE, method="POST", kind="drop_before", times=1)
    reject_application(remy, application, reason=ours.pk)
    run_tasks()
    sandbox.run_mutation(
        "reject_application", application_id=application.remote_id, reason_id=theirs.remote_id
    )
    action = _settle_after(advance_clock, run_tasks)
    assert (action.status, "for another reason" in action.outcome) == (Status.CONFLICT, True)
    assert "it's now rejected" in " ".join(fetch_row(remy, application).split())


@any_generation
def test_foreign_move_not_taken_as_our_advance(
    remy: Client, sandbox: Sandbox, run_tasks, advance_clock
) -> None:
    application = find_application()
    last_stage = Stage.objects.filter(job=application.job, active=True, gone_at=None).order_by(
        "-order"
    )[0]
    sandbox.faults.add_fault(regex=WRITE, method="POST", kind="drop_before", times=1)
    submit_action(remy, "advance", application)
    run_tasks()
    sandbox.run_mutation(
        "move_application", application_id=application.remote_id, stage_id=last_stage.remote_id
    )
    action = _settle_after(advance_clock, run_tasks)
    assert (action.status, last_stage.name in action.outcome) == (Status.CONFLICT, True)


def test_accepted_advance_unknown_until_read_back(
    remy: Client, sandbox: Sandbox, run_tasks, advance_clock, kind: str, quick_retries
) -> None:
    application = find_application()
    submit_action(remy, "advance", application)
    sandbox.faults.add_fault(regex=WRITE, method="POST", kind="truncated_json", times=1)
    sandbox.faults.add_fault(regex=r"/applications", method="GET", status=500, times=None)
    run_tasks()
    sandbox.faults.clear_faults()
    assert get_latest_action().status == Status.UNKNOWN
    assert "Greenhouse accepted it" in get_latest_action().outcome
    action = _settle_after(advance_clock, run_tasks)
    assert action.status == Status.DONE
    application.refresh_from_db()
    assert application.stage_remote_id == get_sandbox_application(sandbox, application).stage_id
    assert f"“{application.stage_name}”" in action.outcome
    assert len(list_writes(sandbox)) == 1


@any_generation
def test_accepted_write_reread_with_new_credential(
    remy: Client, sandbox: Sandbox, run_tasks, advance_clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    application = find_application()
    send = AdvanceHandler.send
    credential = Credential.objects.get(connection=application.connection)

    def send_then_destroy_credential(*args: Any) -> WriteResult:
        receipt = send(*args)
        Credential.objects.filter(pk=credential.pk).update(state=Credential.State.DELETED)
        return receipt

    submit_action(remy, "advance", application)
    with monkeypatch.context() as patched:
        patched.setattr(AdvanceHandler, "send", send_then_destroy_credential)
        run_tasks()
    assert get_latest_action().status == Status.UNKNOWN
    assert "Greenhouse accepted it" in get_latest_action().outcome
    Credential.objects.filter(pk=credential.pk).update(state=credential.state)
    assert _settle_after(advance_clock, run_tasks).status == Status.DONE
    assert len(list_writes(sandbox)) == 1


@any_generation
def test_failed_settlement_reconciled_later(
    remy: Client, run_tasks, advance_clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    submit_action(remy, "advance", find_application())
    with monkeypatch.context() as patched:
        patched.setattr(audit_log, "log_action", _raise_error)
        run_tasks()
    assert get_latest_action().status == Status.UNKNOWN
    assert _settle_after(advance_clock, run_tasks).status == Status.DONE


@any_generation
def test_failed_precheck_sends_nothing(
    remy: Client, sandbox: Sandbox, run_tasks, advance_clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    submit_action(remy, "advance", find_application())
    advance_clock(5)
    with monkeypatch.context() as patched:
        patched.setattr(perform, "get_rights", _raise_error)
        run_tasks()
    assert get_latest_action().status == Status.UNKNOWN
    assert _settle_after(advance_clock, run_tasks).status == Status.FAILED
    assert list_writes(sandbox) == []


@pytest.mark.parametrize("synced", [True, False], ids=["synced", "not_synced"])
def test_undo_leaves_foreign_rejection_in_place(
    remy: Client, sandbox: Sandbox, run_tasks, settings, synced: bool
) -> None:
    settings.REJECT_UNDO_SECONDS = 0
    ours, theirs = RejectionReason.objects.order_by("remote_id")[:2]
    application = find_application()
    reject_application(remy, application, reason=ours.pk)
    run_tasks()
    rejection = get_latest_action()
    remote_id = application.remote_id
    sandbox.run_mutation("unreject_application", application_id=remote_id)
    sandbox.run_mutation("reject_application", application_id=remote_id, reason_id=theirs.remote_id)
    if synced:
        with open_interactive_provider(
            application.connection.credential, lane=Lane.PEOPLE
        ) as provider:
            refresh_application(application.connection, provider, remote_id)
    before = len(list_writes(sandbox))
    response = remy.post(build_action_url("undo_action", rejection.pk), **HTMX)
    run_tasks()
    assert response.status_code == (409 if synced else 200)
    assert len(list_writes(sandbox)) == before
    assert get_sandbox_application(sandbox, application).status == "rejected"
    if not synced:
        assert get_latest_action().status == Status.CONFLICT


@any_generation
def test_withdrawn_undo_can_be_repeated(
    remy: Client, sandbox: Sandbox, run_tasks, settings, quick_retries: None
) -> None:
    application = find_application()
    submit_action(remy, "advance", application)
    run_tasks()
    advance, working_url = get_latest_action(), settings.GREENHOUSE_API_URL
    settings.GREENHOUSE_API_URL = settings.GREENHOUSE_AUTH_URL = "http://127.0.0.1:9"
    remy.post(build_action_url("undo_action", advance.pk), **HTMX)
    run_tasks()
    waiting_undo = get_latest_action()
    assert waiting_undo.status == Status.SCHEDULED
    remy.post(build_action_url("cancel_action", waiting_undo.pk), **HTMX)
    settings.GREENHOUSE_API_URL = settings.GREENHOUSE_AUTH_URL = working_url
    for _ in range(2):  # a double click counts once
        remy.post(build_action_url("undo_action", advance.pk), **HTMX)
    run_tasks()
    assert [a.status for a in advance.undone_by.order_by("pk")] == [Status.CANCELED, Status.DONE]
    assert get_sandbox_application(sandbox, application).stage_id == application.stage_remote_id


@any_generation
def test_field_conflict_does_not_name_mover(
    remy: Client, sam: Client, sandbox: Sandbox, run_tasks
) -> None:
    application = find_application()
    candidates = AtsUser.objects.exclude(pk=application.recruiter_id).filter(
        deactivated=False, site_admin=True
    )
    own_choice, foreign_choice = candidates.order_by("pk")[:2]
    submit_action(remy, "advance", application)
    run_tasks()
    fresh = Application.objects.get(pk=application.pk)
    submit_action(sam, "update", fresh, recruiter=own_choice.pk)
    record = sandbox.dataset().applications[application.remote_id]
    sandbox.dataset().update_record(record, recruiter_id=foreign_choice.remote_id)
    run_tasks()
    assert get_latest_action().status == Status.CONFLICT, get_latest_action().outcome
    row = fetch_row(sam, application)
    assert str(foreign_choice) in row
    assert "Advanced" not in row
