"""The table: action × state × permission × person, each cell with what must come of it.

The faults that Greenhouse answers with: `test_faults`. What cannot be crossed: `cells`.
"""

from __future__ import annotations

import pytest
from django.test import Client

from integrations.greenhouse.sandbox import Sandbox
from portal.applications import outbox
from portal.applications.models import ApplicationAction, Kind
from portal.mirror.models import Application
from tests.cast import Cast
from tests.portal.applications.cells import DEEDS, FITS, KINDS, WRITE, do, happened
from tests.portal.applications.clicking import (
    HTMX,
    address,
    applications,
    newest,
    shown,
    truth,
    writes,
)

Status = ApplicationAction.Status

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


@pytest.fixture(autouse=True)
def _nothing_is_held(settings) -> None:
    settings.REJECT_HOLD_SECONDS = 0


def test_each_action_in_each_state_is_offered_only_where_it_fits(
    connect, cast: Cast, sandbox: Sandbox, sign_in, work, kind: str
) -> None:
    connect(kind)
    remy, one = sign_in(cast.remy), applications()[0]
    sandbox.faults.add(regex=WRITE, kind="drop_after", times=None)  # none is met
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
    assert not _tried(sandbox)  # taken back before a worker came


@pytest.mark.parametrize("missing", OFF)
def test_each_missing_permission_switches_off_exactly_its_actions(
    connect, cast: Cast, sandbox: Sandbox, sign_in, work, kind: str, missing: str
) -> None:
    connect(kind, without={missing})
    sandbox.requests.clear()  # the check of permissions tries writes on no record
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
        for deed in off:
            answer = do(remy, deed, one)
            assert answer.status_code in (403, 422), (state, deed)
    work()
    assert not ApplicationAction.objects.exists()
    assert not _tried(sandbox)


def _offers(client: Client, one: Application):
    return client.get(address("row", one.pk), **HTMX).context["row"].offers


def _tried(sandbox: Sandbox) -> list[object]:
    """Every write that reached Greenhouse, whatever it answered."""
    return [
        r
        for r in sandbox.requests
        if r.method in {"POST", "PATCH"} and "/applications/" in r.path
        if "/applications/0" not in r.path  # a probe of a permission, on no record
    ]


@pytest.mark.parametrize(("deed", "state"), DEEDS)
def test_each_action_whose_permission_went_after_the_click_is_refused_and_changes_nothing(
    connect, cast: Cast, sandbox: Sandbox, sign_in, work, fresh, kind: str, deed: str, state: str
) -> None:
    connect(kind)
    sam, one = sign_in(cast.sam), fresh(state)
    assert do(sam, deed, one).status_code == 200
    sandbox.faults.add(regex=WRITE, kind="permission_removed", permissions=[f"applications.{deed}"])
    work()
    assert newest().status == Status.REFUSED, newest().outcome
    assert not happened(sandbox, deed, one)
    assert writes(sandbox) == []
    assert newest().outcome in shown(sam, one).replace("&quot;", '"')


# Vic may advance, which in Greenhouse covers what changes no decision, but not reject.
VIC = {
    Kind.ADVANCE: Status.DONE,
    Kind.MOVE: Status.DONE,
    Kind.TRANSFER: Status.DONE,
    Kind.UPDATE: Status.DONE,
    Kind.REJECT: Status.REFUSED,
    Kind.UNREJECT: Status.REFUSED,
}


def test_each_action_is_greenhouses_to_refuse_to_a_role_that_lacks_the_right(
    connect, cast: Cast, sandbox: Sandbox, sign_in, work, fresh, kind: str
) -> None:
    connect(kind)
    vic = sign_in(cast.vic)
    for deed, state in DEEDS:
        one = fresh(state, of="vic")
        assert do(vic, deed, one).status_code == 200, (deed, state)
        work()
        assert newest().status == VIC[deed], (deed, state, newest().outcome)
        assert happened(sandbox, deed, one) is (VIC[deed] == Status.DONE), (deed, state)


@pytest.mark.parametrize("who", ["ivy", "dana", "uma", "zoe"])
def test_each_action_in_each_state_is_a_404_to_who_does_not_see_it(
    connect, cast: Cast, sandbox: Sandbox, sign_in, work, kind: str, who: str
) -> None:
    connect(kind)
    somebody, one = sign_in(getattr(cast, who)), applications()[0]
    for state in FITS:
        Application.objects.filter(pk=one.pk).update(status=state)
        for deed in KINDS:
            assert do(somebody, deed, one).status_code == 404, (state, deed)
    work()
    assert not ApplicationAction.objects.exists()
    assert not _tried(sandbox)


def test_each_action_on_what_changed_meanwhile_is_a_conflict_and_changes_nothing(
    connect, cast: Cast, sandbox: Sandbox, sign_in, work, fresh, kind: str
) -> None:
    connect(kind)
    sam = sign_in(cast.sam)
    for deed, state in DEEDS:
        for change in _changes(deed):
            one = fresh(state)
            change(sandbox, one)
            then = truth(sandbox, one)
            place = (then.status, then.stage_id, then.job_id, then.recruiter_id)
            do(sam, deed, one)
            work()
            assert newest().status == Status.CONFLICT, (deed, state, newest().outcome)
            then = truth(sandbox, one)
            assert (then.status, then.stage_id, then.job_id, then.recruiter_id) == place
            assert "Changed meanwhile" in shown(sam, one)


def _changes(deed: str):
    """What somebody may do in Greenhouse so that it is no longer what the person acted on."""
    if deed == Kind.UNREJECT:
        return [_mutation("unreject_application")]
    if deed == Kind.UPDATE:
        return [_another_recruiter]
    return [_mutation("move_application"), _mutation("hire_application")]


def _mutation(name: str):
    return lambda sandbox, one: sandbox.mutate(name, application_id=one.remote_id)


def _another_recruiter(sandbox: Sandbox, one: Application) -> None:
    world = sandbox.world()
    row = world.applications[one.remote_id]
    others = [u.id for u in world.users if not u.service_account and u.id != row.recruiter_id]
    world.change(row, recruiter_id=others[-1])
