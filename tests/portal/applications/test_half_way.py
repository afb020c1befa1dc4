"""What stops half-way: faults of ours, lost answers and vain undos, each told truly and ended."""

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


def _settled(later, work, seconds: float = 40) -> ApplicationAction:
    later(seconds)
    outbox.release()
    work()
    return newest()


def _a_fault_of_ours(*_: Any, **__: Any) -> None:
    raise ZeroDivisionError


def test_a_fault_of_ours_is_looked_into_at_once_and_never_repeated(
    remy: Client, sandbox: Sandbox, work, later, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = an_application()
    click(remy, "advance", one)
    with monkeypatch.context() as broken:
        broken.setattr(Advance, "send", _a_fault_of_ours)
        work()
    assert newest().status == Status.UNKNOWN
    action = _settled(later, work)
    assert (action.status, "did not happen" in action.outcome) == (Status.FAILED, True)
    assert writes(sandbox) == []


def test_a_choice_that_is_no_longer_offered_is_refused_in_words(
    remy: Client, sandbox: Sandbox, work
) -> None:
    one = an_application()
    field = CustomField.objects.get(key="notice_period")
    click(remy, "update", one, **{f"custom-{field.pk}": field.options[0][0]})
    action = newest()
    # As "Update from there" keeps it once the choice was taken away in Greenhouse.
    del action.parameters["custom"]["notice_period"]["send"]
    action.save()
    work()
    action = newest()
    assert action.status == Status.REFUSED, action.outcome
    assert "can no longer be chosen" in shown(remy, one)
    assert writes(sandbox) == []


def test_an_application_that_is_deleted_meanwhile_does_not_stay_unknown(
    remy: Client, sandbox: Sandbox, work, later
) -> None:
    one = an_application()
    sandbox.faults.add(regex=WRITE, method="POST", kind="drop_before", times=1)
    click(remy, "advance", one)
    work()
    assert newest().status == Status.UNKNOWN
    sandbox.mutate("delete_application", application_id=one.remote_id)
    action = _settled(later, work)
    assert (action.status, action.outcome) == (
        Status.CONFLICT,
        "Greenhouse no longer has this application.",
    )


def test_what_cannot_be_read_for_long_is_asked_less_often(
    remy: Client, sandbox: Sandbox, work, later, quick_retries: None
) -> None:
    one = an_application()
    sandbox.faults.add(regex=WRITE, method="POST", kind="drop_before", times=1)
    sandbox.faults.add(regex=r"/applications", method="GET", status=500, times=None)
    click(remy, "advance", one)
    work()
    for _ in range(40):
        asked = _asked(sandbox)
        assert _settled(later, work, 21).status == Status.UNKNOWN
    assert _asked(sandbox) == asked  # not in the last twenty seconds
    sandbox.faults.clear()
    assert _settled(later, work, 300).status == Status.FAILED


def _asked(sandbox: Sandbox) -> int:
    return sum(e.method == "GET" and "/applications" in e.path for e in sandbox.requests)


def test_half_a_minute_counts_from_when_the_write_may_have_left(
    remy: Client, sandbox: Sandbox, work, later, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = an_application()
    send = Advance.send

    def late(self: Advance, *args: Any) -> Any:
        later(35)  # waiting for its turn within the rate limit
        return send(self, *args)

    monkeypatch.setattr(Advance, "send", late)
    sandbox.faults.add(regex=WRITE, method="POST", kind="drop_before", times=1)
    click(remy, "advance", one)
    work()
    assert newest().status == Status.UNKNOWN
    assert _settled(later, work).status == Status.FAILED


def test_another_s_rejection_is_not_taken_for_ours(
    remy: Client, sandbox: Sandbox, work, later, settings
) -> None:
    settings.REJECT_HOLD_SECONDS = 0
    one = an_application()
    ours, theirs = RejectionReason.objects.order_by("remote_id")[:2]
    sandbox.faults.add(regex=WRITE, method="POST", kind="drop_before", times=1)
    reject(remy, one, reason=ours.pk)
    work()
    sandbox.mutate("reject_application", application_id=one.remote_id, reason_id=theirs.remote_id)
    action = _settled(later, work)
    assert (action.status, "for another reason" in action.outcome) == (Status.CONFLICT, True)
    assert "now it is rejected" in " ".join(shown(remy, one).split())


def test_another_s_move_is_not_taken_for_our_advance(
    remy: Client, sandbox: Sandbox, work, later
) -> None:
    one = an_application()
    last = Stage.objects.filter(job=one.job, active=True, gone_at=None).order_by("-order")[0]
    sandbox.faults.add(regex=WRITE, method="POST", kind="drop_before", times=1)
    click(remy, "advance", one)
    work()
    sandbox.mutate("move_application", application_id=one.remote_id, stage_id=last.remote_id)
    action = _settled(later, work)
    assert (action.status, last.name in action.outcome) == (Status.CONFLICT, True)


def test_what_cannot_be_read_back_is_not_told_to_be_where_it_was(
    remy: Client, sandbox: Sandbox, work, later, kind: str, quick_retries
) -> None:
    one = an_application()
    click(remy, "advance", one)
    sandbox.faults.add(regex=WRITE, method="POST", kind="truncated_json", times=1)
    sandbox.faults.add(regex=r"/applications", method="GET", status=500, times=None)
    work()
    sandbox.faults.clear()
    assert newest().status == Status.UNKNOWN
    assert "Greenhouse took it" in newest().outcome
    settled = _settled(later, work)
    assert settled.status == Status.DONE
    one.refresh_from_db()
    assert one.stage_remote_id == truth(sandbox, one).stage_id
    assert f"“{one.stage_name}”" in settled.outcome
    assert len(writes(sandbox)) == 1


def test_what_was_taken_while_the_connection_changed_is_read_again_with_the_new_credential(
    remy: Client, sandbox: Sandbox, work, later, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = an_application()
    send = Advance.send
    credential = Credential.objects.get(connection=one.connection)

    def sent_while_it_was_replaced(*args: Any) -> Receipt:
        receipt = send(*args)
        Credential.objects.filter(pk=credential.pk).update(state=Credential.State.DESTROYED)
        return receipt

    click(remy, "advance", one)
    with monkeypatch.context() as meanwhile:
        meanwhile.setattr(Advance, "send", sent_while_it_was_replaced)
        work()
    assert newest().status == Status.UNKNOWN
    assert "Greenhouse took it" in newest().outcome
    Credential.objects.filter(pk=credential.pk).update(state=credential.state)
    assert _settled(later, work).status == Status.DONE
    assert len(writes(sandbox)) == 1


def test_a_settling_that_fails_is_looked_into_at_once(
    remy: Client, work, later, monkeypatch: pytest.MonkeyPatch
) -> None:
    click(remy, "advance", an_application())
    with monkeypatch.context() as broken:
        broken.setattr(logged, "done", _a_fault_of_ours)
        work()
    assert newest().status == Status.UNKNOWN
    assert _settled(later, work).status == Status.DONE


def test_a_check_that_fails_before_sending_sends_nothing_and_ends(
    remy: Client, sandbox: Sandbox, work, later, monkeypatch: pytest.MonkeyPatch
) -> None:
    click(remy, "advance", an_application())
    later(5)
    with monkeypatch.context() as broken:
        broken.setattr(perform, "rights", _a_fault_of_ours)
        work()
    assert newest().status == Status.UNKNOWN
    assert _settled(later, work).status == Status.FAILED
    assert writes(sandbox) == []


@pytest.mark.parametrize("told", [True, False], ids=["mirrored", "not yet mirrored"])
def test_undo_leaves_another_s_later_rejection_alone(
    remy: Client, sandbox: Sandbox, work, settings, told: bool
) -> None:
    settings.REJECT_HOLD_SECONDS = 0
    ours, theirs = RejectionReason.objects.order_by("remote_id")[:2]
    one = an_application()
    reject(remy, one, reason=ours.pk)
    work()
    done = newest()
    number = one.remote_id
    sandbox.mutate("unreject_application", application_id=number)
    sandbox.mutate("reject_application", application_id=number, reason_id=theirs.remote_id)
    if told:
        with asking(one.connection.credential, lane=Lane.PEOPLE) as provider:
            refresh_application(one.connection, provider, number)
    before = len(writes(sandbox))
    answer = remy.post(address("take_back", done.pk), **HTMX)
    work()
    assert answer.status_code == (409 if told else 200)
    assert len(writes(sandbox)) == before
    assert truth(sandbox, one).status == "rejected"
    if not told:
        assert newest().status == Status.CONFLICT


def test_an_undo_that_was_taken_back_can_be_clicked_again(
    remy: Client, sandbox: Sandbox, work, settings, quick_retries: None
) -> None:
    one = an_application()
    click(remy, "advance", one)
    work()
    done, there = newest(), settings.GREENHOUSE_API_URL
    settings.GREENHOUSE_API_URL = settings.GREENHOUSE_AUTH_URL = "http://127.0.0.1:9"
    remy.post(address("take_back", done.pk), **HTMX)
    work()
    vain = newest()
    assert vain.status == Status.HELD
    remy.post(address("withdraw", vain.pk), **HTMX)
    settings.GREENHOUSE_API_URL = settings.GREENHOUSE_AUTH_URL = there
    for _ in range(2):  # and a double click is still one
        remy.post(address("take_back", done.pk), **HTMX)
    work()
    assert [a.status for a in done.undone_by.order_by("pk")] == [Status.WITHDRAWN, Status.DONE]
    assert truth(sandbox, one).stage_id == one.stage_remote_id


def test_the_card_of_a_field_does_not_blame_who_moved_the_application(
    remy: Client, sam: Client, sandbox: Sandbox, work
) -> None:
    one = an_application()
    others = AtsUser.objects.exclude(pk=one.recruiter_id).filter(deactivated=False, site_admin=True)
    mine, theirs = others.order_by("pk")[:2]
    click(remy, "advance", one)
    work()
    fresh = Application.objects.get(pk=one.pk)
    click(sam, "update", fresh, recruiter=mine.pk)
    row = sandbox.world().applications[one.remote_id]
    sandbox.world().change(row, recruiter_id=theirs.remote_id)
    work()
    assert newest().status == Status.CONFLICT, newest().outcome
    card = shown(sam, one)
    assert str(theirs) in card
    assert "Advanced in Greenhouse" not in card
