"""Actions interrupted half-way: internal errors, lost responses, and undos that failed."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from integrations.ats.types import Receipt
from integrations.ats.wiring import Lane
from integrations.greenhouse.sandbox import Sandbox
from portal.applications import logged, outbox, perform
from portal.applications.models import ApplicationAction
from portal.applications.verbs.advance import Advance
from portal.connections.models import Credential
from portal.connections.open import asking
from portal.mirror.models import Application, AtsUser, CustomField, RejectionReason, Stage
from portal.mirror.single import refresh_application
from tests.cast import Cast
from tests.generations import any_generation
from tests.portal.applications.cells import WRITE
from tests.portal.applications.clicking import (
    HTMX,
    address,
    an_application,
    click,
    newest,
    reject,
    shown,
    truth,
    writes,
)

Status = ApplicationAction.Status


@pytest.fixture
def remy(cast: Cast, connect, sign_in, kind: str) -> Client:
    connect(kind)
    return sign_in(cast.remy)


@pytest.fixture
def sam(remy: Client, cast: Cast, sign_in) -> Client:
    return sign_in(cast.sam)


def _settle_after(later, work, seconds: float = 40) -> ApplicationAction:
    later(seconds)
    outbox.release()
    work()
    return newest()


def _raise_error(*_: Any, **__: Any) -> None:
    raise ZeroDivisionError


@any_generation
def test_internal_error_reconciled_without_resending(
    remy: Client, sandbox: Sandbox, work, later, monkeypatch: pytest.MonkeyPatch
) -> None:
    application = an_application()
    click(remy, "advance", application)
    with monkeypatch.context() as patched:
        patched.setattr(Advance, "send", _raise_error)
        work()
    assert newest().status == Status.UNKNOWN
    action = _settle_after(later, work)
    assert (action.status, "did not happen" in action.outcome) == (Status.FAILED, True)
    assert writes(sandbox) == []


@any_generation
def test_update_refuses_removed_field_option(remy: Client, sandbox: Sandbox, work) -> None:
    application = an_application()
    field = CustomField.objects.get(key="notice_period")
    click(remy, "update", application, **{f"custom-{field.pk}": field.options[0][0]})
    action = newest()
    # What a retried update stores once the option was removed in Greenhouse.
    del action.parameters["custom"]["notice_period"]["send"]
    action.save()
    work()
    action = newest()
    assert action.status == Status.REFUSED, action.outcome
    assert "can no longer be chosen" in shown(remy, application)
    assert writes(sandbox) == []


def test_deleted_application_settles_as_conflict(
    remy: Client, sandbox: Sandbox, work, later
) -> None:
    application = an_application()
    sandbox.faults.add(regex=WRITE, method="POST", kind="drop_before", times=1)
    click(remy, "advance", application)
    work()
    assert newest().status == Status.UNKNOWN
    sandbox.mutate("delete_application", application_id=application.remote_id)
    action = _settle_after(later, work)
    assert (action.status, action.outcome) == (
        Status.CONFLICT,
        "Greenhouse no longer has this application.",
    )


@any_generation
def test_unreadable_outcome_polled_less_often(
    remy: Client, sandbox: Sandbox, work, later, quick_retries: None
) -> None:
    application = an_application()
    sandbox.faults.add(regex=WRITE, method="POST", kind="drop_before", times=1)
    sandbox.faults.add(regex=r"/applications", method="GET", status=500, times=None)
    click(remy, "advance", application)
    work()
    for _ in range(3):
        reads = _count_reads(sandbox)
        assert _settle_after(later, work, 21).status == Status.UNKNOWN
    assert _count_reads(sandbox) > reads  # every twenty seconds at first
    assert _settle_after(later, work, 600).status == Status.UNKNOWN
    reads = _count_reads(sandbox)
    assert _settle_after(later, work, 21).status == Status.UNKNOWN
    assert _count_reads(sandbox) == reads
    sandbox.faults.clear()
    assert _settle_after(later, work, 300).status == Status.FAILED


def _count_reads(sandbox: Sandbox) -> int:
    return sum(e.method == "GET" and "/applications" in e.path for e in sandbox.requests)


@any_generation
def test_settle_delay_counts_from_actual_send(
    remy: Client, sandbox: Sandbox, work, later, monkeypatch: pytest.MonkeyPatch
) -> None:
    application = an_application()
    send = Advance.send

    def send_late(self: Advance, *args: Any) -> Any:
        later(35)  # delayed by the rate limit
        return send(self, *args)

    monkeypatch.setattr(Advance, "send", send_late)
    sandbox.faults.add(regex=WRITE, method="POST", kind="drop_before", times=1)
    click(remy, "advance", application)
    work()
    assert newest().status == Status.UNKNOWN
    assert _settle_after(later, work).status == Status.FAILED


def test_foreign_rejection_not_taken_as_ours(
    remy: Client, sandbox: Sandbox, work, later, settings
) -> None:
    settings.REJECT_HOLD_SECONDS = 0
    application = an_application()
    ours, theirs = RejectionReason.objects.order_by("remote_id")[:2]
    sandbox.faults.add(regex=WRITE, method="POST", kind="drop_before", times=1)
    reject(remy, application, reason=ours.pk)
    work()
    sandbox.mutate(
        "reject_application", application_id=application.remote_id, reason_id=theirs.remote_id
    )
    action = _settle_after(later, work)
    assert (action.status, "for another reason" in action.outcome) == (Status.CONFLICT, True)
    assert "now it is rejected" in " ".join(shown(remy, application).split())


@any_generation
def test_foreign_move_not_taken_as_our_advance(remy: Client, sandbox: Sandbox, work, later) -> None:
    application = an_application()
    last_stage = Stage.objects.filter(job=application.job, active=True, gone_at=None).order_by(
        "-order"
    )[0]
    sandbox.faults.add(regex=WRITE, method="POST", kind="drop_before", times=1)
    click(remy, "advance", application)
    work()
    sandbox.mutate(
        "move_application", application_id=application.remote_id, stage_id=last_stage.remote_id
    )
    action = _settle_after(later, work)
    assert (action.status, last_stage.name in action.outcome) == (Status.CONFLICT, True)


def test_accepted_advance_unknown_until_read_back(
    remy: Client, sandbox: Sandbox, work, later, kind: str, quick_retries
) -> None:
    application = an_application()
    click(remy, "advance", application)
    sandbox.faults.add(regex=WRITE, method="POST", kind="truncated_json", times=1)
    sandbox.faults.add(regex=r"/applications", method="GET", status=500, times=None)
    work()
    sandbox.faults.clear()
    assert newest().status == Status.UNKNOWN
    assert "Greenhouse took it" in newest().outcome
    action = _settle_after(later, work)
    assert action.status == Status.DONE
    application.refresh_from_db()
    assert application.stage_remote_id == truth(sandbox, application).stage_id
    assert f"“{application.stage_name}”" in action.outcome
    assert len(writes(sandbox)) == 1


@any_generation
def test_accepted_write_reread_with_new_credential(
    remy: Client, sandbox: Sandbox, work, later, monkeypatch: pytest.MonkeyPatch
) -> None:
    application = an_application()
    send = Advance.send
    credential = Credential.objects.get(connection=application.connection)

    def send_then_destroy_credential(*args: Any) -> Receipt:
        receipt = send(*args)
        Credential.objects.filter(pk=credential.pk).update(state=Credential.State.DESTROYED)
        return receipt

    click(remy, "advance", application)
    with monkeypatch.context() as patched:
        patched.setattr(Advance, "send", send_then_destroy_credential)
        work()
    assert newest().status == Status.UNKNOWN
    assert "Greenhouse took it" in newest().outcome
    Credential.objects.filter(pk=credential.pk).update(state=credential.state)
    assert _settle_after(later, work).status == Status.DONE
    assert len(writes(sandbox)) == 1


@any_generation
def test_failed_settlement_reconciled_later(
    remy: Client, work, later, monkeypatch: pytest.MonkeyPatch
) -> None:
    click(remy, "advance", an_application())
    with monkeypatch.context() as patched:
        patched.setattr(logged, "done", _raise_error)
        work()
    assert newest().status == Status.UNKNOWN
    assert _settle_after(later, work).status == Status.DONE


@any_generation
def test_failed_precheck_sends_nothing(
    remy: Client, sandbox: Sandbox, work, later, monkeypatch: pytest.MonkeyPatch
) -> None:
    click(remy, "advance", an_application())
    later(5)
    with monkeypatch.context() as patched:
        patched.setattr(perform, "rights", _raise_error)
        work()
    assert newest().status == Status.UNKNOWN
    assert _settle_after(later, work).status == Status.FAILED
    assert writes(sandbox) == []


@pytest.mark.parametrize("synced", [True, False], ids=["synced", "not_synced"])
def test_undo_leaves_foreign_rejection_in_place(
    remy: Client, sandbox: Sandbox, work, settings, synced: bool
) -> None:
    settings.REJECT_HOLD_SECONDS = 0
    ours, theirs = RejectionReason.objects.order_by("remote_id")[:2]
    application = an_application()
    reject(remy, application, reason=ours.pk)
    work()
    rejection = newest()
    remote_id = application.remote_id
    sandbox.mutate("unreject_application", application_id=remote_id)
    sandbox.mutate("reject_application", application_id=remote_id, reason_id=theirs.remote_id)
    if synced:
        with asking(application.connection.credential, lane=Lane.PEOPLE) as provider:
            refresh_application(application.connection, provider, remote_id)
    before = len(writes(sandbox))
    response = remy.post(address("take_back", rejection.pk), **HTMX)
    work()
    assert response.status_code == (409 if synced else 200)
    assert len(writes(sandbox)) == before
    assert truth(sandbox, application).status == "rejected"
    if not synced:
        assert newest().status == Status.CONFLICT


@any_generation
def test_withdrawn_undo_can_be_repeated(
    remy: Client, sandbox: Sandbox, work, settings, quick_retries: None
) -> None:
    application = an_application()
    click(remy, "advance", application)
    work()
    advance, working_url = newest(), settings.GREENHOUSE_API_URL
    settings.GREENHOUSE_API_URL = settings.GREENHOUSE_AUTH_URL = "http://127.0.0.1:9"
    remy.post(address("take_back", advance.pk), **HTMX)
    work()
    waiting_undo = newest()
    assert waiting_undo.status == Status.HELD
    remy.post(address("withdraw", waiting_undo.pk), **HTMX)
    settings.GREENHOUSE_API_URL = settings.GREENHOUSE_AUTH_URL = working_url
    for _ in range(2):  # a double click counts once
        remy.post(address("take_back", advance.pk), **HTMX)
    work()
    assert [a.status for a in advance.undone_by.order_by("pk")] == [Status.WITHDRAWN, Status.DONE]
    assert truth(sandbox, application).stage_id == application.stage_remote_id


@any_generation
def test_field_conflict_does_not_name_mover(
    remy: Client, sam: Client, sandbox: Sandbox, work
) -> None:
    application = an_application()
    candidates = AtsUser.objects.exclude(pk=application.recruiter_id).filter(
        deactivated=False, site_admin=True
    )
    own_choice, foreign_choice = candidates.order_by("pk")[:2]
    click(remy, "advance", application)
    work()
    fresh = Application.objects.get(pk=application.pk)
    click(sam, "update", fresh, recruiter=own_choice.pk)
    record = sandbox.world().applications[application.remote_id]
    sandbox.world().change(record, recruiter_id=foreign_choice.remote_id)
    work()
    assert newest().status == Status.CONFLICT, newest().outcome
    row = shown(sam, application)
    assert str(foreign_choice) in row
    assert "Advanced in Greenhouse" not in row
