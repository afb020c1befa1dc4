"""The whole table: action × state × permission × fault, each cell with what must come of it.

A fixture's connection is dear, so each test walks a slice of the table and names its cells.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.test import Client

from integrations.greenhouse.sandbox import Sandbox
from portal.applications import outbox
from portal.applications.models import ApplicationAction, Kind
from portal.mirror.models import Application, AtsUser, Job, Stage
from tests.cast import Cast
from tests.portal.applications.clicking import (
    applications,
    click,
    newest,
    reject,
    shown,
    truth,
    writes,
)

Status = ApplicationAction.Status

KINDS = (Kind.ADVANCE, Kind.REJECT, Kind.UNREJECT, Kind.MOVE, Kind.TRANSFER, Kind.UPDATE)
FITS = {
    "active": {Kind.ADVANCE, Kind.REJECT, Kind.MOVE, Kind.TRANSFER, Kind.UPDATE},
    "rejected": {Kind.UNREJECT, Kind.UPDATE},
    "hired": set(),
    "converted": set(),
}
# What a missing permission switches off, with a key for each endpoint (v1) and by scope (v3).
OFF = {
    "applications.advance": ({Kind.ADVANCE}, {Kind.ADVANCE, Kind.MOVE, Kind.TRANSFER}),
    "applications.move": ({Kind.MOVE}, {Kind.ADVANCE, Kind.MOVE, Kind.TRANSFER}),
    "applications.transfer": ({Kind.TRANSFER}, {Kind.ADVANCE, Kind.MOVE, Kind.TRANSFER}),
    "applications.reject": ({Kind.REJECT}, {Kind.REJECT}),
    "applications.unreject": ({Kind.UNREJECT}, {Kind.UNREJECT}),
    "applications.update": ({Kind.UPDATE}, {Kind.UPDATE}),
    "rejection_reasons.list": ({Kind.REJECT}, {Kind.REJECT}),
}
WRITE = r"/(advance|move|reject|unreject|transfer_to_job)$|/applications/\d+$"


@pytest.fixture(autouse=True)
def _nothing_is_held(settings) -> None:
    settings.REJECT_HOLD_SECONDS = 0


def do(client: Client, kind: str, one: Application):
    """Click, with whatever the kind asks for."""
    if kind == Kind.REJECT:
        return reject(client, one)
    if kind == Kind.MOVE:
        later_stage = Stage.objects.filter(job=one.job_id, active=True).order_by("order")[2]
        return click(client, kind, one, to_stage=later_stage.pk)
    if kind == Kind.TRANSFER:
        jobs = Job.objects.filter(
            grants__user__primary_email="remy@acme.example", stages__isnull=False,
            status="open", confidential=False,
        )  # fmt: skip
        return click(client, kind, one, to_job=jobs.exclude(pk=one.job_id).first().pk)
    if kind == Kind.UPDATE:
        user = AtsUser.objects.exclude(pk=one.recruiter_id).filter(deactivated=False)
        return click(client, kind, one, recruiter=user.order_by("pk").first().pk)
    return click(client, kind, one)


@pytest.fixture
def fresh(sandbox: Sandbox) -> Callable[[str], Application]:
    """An application that nobody touched yet, in the state that the kind is for."""
    taken_already: set[int] = set()

    def taken(kind: str) -> Application:
        one = next(a for a in applications("sam") if a.pk not in taken_already)
        taken_already.add(one.pk)
        if kind == Kind.UNREJECT:
            sandbox.mutate("reject_application", application_id=one.remote_id)
            Application.objects.filter(pk=one.pk).update(status="rejected")
            one.refresh_from_db()
        return one

    return taken


def happened(sandbox: Sandbox, kind: str, one: Application) -> bool:
    """Whether Greenhouse has it as the action would leave it."""
    now = truth(sandbox, one)
    return {
        Kind.ADVANCE: now.stage_id != one.stage_remote_id,
        Kind.MOVE: now.stage_id != one.stage_remote_id,
        Kind.REJECT: now.status == "rejected",
        Kind.UNREJECT: now.status == "active",
        Kind.TRANSFER: now.job_id != one.job.remote_id,
        Kind.UPDATE: now.recruiter_id != (one.recruiter.remote_id if one.recruiter else None),
    }[Kind(kind)]


def test_each_action_in_each_state_is_offered_only_where_it_fits(
    connect, cast: Cast, sandbox: Sandbox, sign_in, work, kind: str
) -> None:
    connect(kind)
    remy, one = sign_in(cast.remy), applications()[0]
    cells = 0
    for state, fitting in FITS.items():
        Application.objects.filter(pk=one.pk).update(status=state)
        for deed in KINDS:
            before = ApplicationAction.objects.count()
            answer = do(remy, deed, one)
            if deed in fitting:
                assert answer.status_code == 200, (state, deed)
                assert outbox.withdraw(newest(), by=cast.remy.user)
            else:
                assert answer.status_code in (403, 422), (state, deed)
                assert ApplicationAction.objects.count() == before, (state, deed)
            cells += 1
    work()
    assert cells == len(FITS) * len(KINDS)
    assert writes(sandbox) == []  # taken back before a worker came


@pytest.mark.parametrize("missing", OFF)
def test_each_missing_permission_switches_off_exactly_its_actions(
    connect, cast: Cast, sign_in, kind: str, missing: str
) -> None:
    connect(kind, without={missing})
    remy, ada = sign_in(cast.remy), sign_in(cast.ada)
    off = OFF[missing][1 if kind == "harvest_oauth" else 0]
    one = applications()[0]
    for state, fitting in FITS.items():
        Application.objects.filter(pk=one.pk).update(status=state)
        told = {o.kind: o for o in _offers(remy, one)}
        assert {k for k, o in told.items() if not o.allowed} == off & fitting, (state, missing)
        assert all("lacks" in o.why_not for o in told.values() if not o.allowed)
        assert not any(o.in_setup for o in told.values())  # a recruiter cannot mend it
        assert all(o.in_setup for o in _offers(ada, one) if not o.allowed)
        for deed in off & fitting:
            answer = do(remy, deed, one)
            assert answer.status_code in (403, 422), (state, deed)
    assert not ApplicationAction.objects.exists()


def _offers(client: Client, one: Application):
    from tests.portal.applications.clicking import address

    return client.get(address("row", one.pk)).context["row"].offers


FAULTS = {
    "none": (None, Status.DONE, True),
    "dropped after doing it": ({"kind": "drop_after"}, Status.DONE, True),
    "dropped before doing it": ({"kind": "drop_before"}, Status.FAILED, False),
    "a 500 instead of doing it": ({"status": 500}, Status.FAILED, False),
    "half an answer after doing it": ({"kind": "truncated_json"}, Status.DONE, True),
    "a 429 first": ({"status": 429, "retry_after": 1}, Status.DONE, True),
    "a refusal": ({"status": 403, "body": {"message": "Access Denied"}}, Status.REFUSED, False),
    "a 422": ({"status": 422, "body": {"message": "Something else"}}, Status.REFUSED, False),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_each_action_under_each_fault_has_one_true_outcome(
    connect, cast: Cast, sandbox: Sandbox, sign_in, work, later, fresh, kind: str, fault: str
) -> None:
    connect(kind)
    sam = sign_in(cast.sam)
    words, status, done = FAULTS[fault]
    for deed in KINDS:
        one = fresh(deed)
        before = len(writes(sandbox))
        method = "PATCH" if deed == Kind.UPDATE else "POST"
        if words:
            sandbox.faults.add(regex=WRITE, method=method, times=1, **words)
        assert do(sam, deed, one).status_code == 200, deed
        work()
        _let_it_settle(later, work)
        action = newest()
        assert (action.kind, action.status) == (deed, status), (deed, action.outcome)
        assert happened(sandbox, deed, one) is done, deed
        # v1 answers a transfer and others in one request; nothing is ever accepted twice.
        assert len(writes(sandbox)) - before <= 1, deed
        assert action.settled_at, deed
        assert action.outcome in shown(sam, one).replace("&quot;", '"'), deed
        sandbox.faults.clear()


def _let_it_settle(later, work) -> None:
    """Half a minute later the rest is known: what was not there by then did not happen."""
    if newest().is_open:
        later(40)
        outbox.release()
        work()


def test_each_action_on_what_changed_meanwhile_is_a_conflict_and_changes_nothing(
    connect, cast: Cast, sandbox: Sandbox, sign_in, work, fresh, kind: str
) -> None:
    connect(kind)
    sam = sign_in(cast.sam)
    for deed in (Kind.ADVANCE, Kind.MOVE, Kind.REJECT, Kind.TRANSFER, Kind.UNREJECT):
        for change in ("move_application", "hire_application"):
            one = fresh(deed)
            if deed == Kind.UNREJECT:
                change = "unreject_application"
            sandbox.mutate(change, application_id=one.remote_id)
            then = truth(sandbox, one)
            place = (then.status, then.stage_id, then.job_id)
            do(sam, deed, one)
            work()
            assert newest().status == Status.CONFLICT, (deed, change, newest().outcome)
            then = truth(sandbox, one)
            assert (then.status, then.stage_id, then.job_id) == place, (deed, change)
            assert "Changed meanwhile" in shown(sam, one)
