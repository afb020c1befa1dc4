"""Action by state by permission by person: each combination and its outcome."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.test import Client

from integrations.greenhouse.sandbox import Sandbox
from portal.applications import outbox
from portal.applications.models import ApplicationAction, Kind
from portal.connections.models import Connection
from portal.mirror.models import Application
from portal.onboarding import journey
from tests.cast import Cast
from tests.generations import any_generation
from tests.portal.applications.cells import (
    ACTION_STATES,
    FITTING_KINDS,
    KINDS,
    WRITE,
    is_applied,
    perform_action,
)
from tests.portal.applications.clicking import (
    HTMX,
    address,
    applications,
    newest,
    shown,
    truth,
    writes,
)
from tests.portal.mirror.permissions import taken_away

Status = ApplicationAction.Status

# Action kinds switched off by a missing permission: per endpoint (v1) and per scope (v3).
KINDS_SWITCHED_OFF = {
    "applications.advance": ({Kind.ADVANCE}, {Kind.ADVANCE, Kind.MOVE, Kind.TRANSFER}),
    "applications.move": ({Kind.MOVE}, {Kind.ADVANCE, Kind.MOVE, Kind.TRANSFER}),
    "applications.transfer": ({Kind.TRANSFER}, {Kind.ADVANCE, Kind.MOVE, Kind.TRANSFER}),
    "applications.reject": ({Kind.REJECT}, {Kind.REJECT}),
    "applications.unreject": ({Kind.UNREJECT}, {Kind.UNREJECT}),
    "applications.update": ({Kind.UPDATE}, {Kind.UPDATE}),
    "rejection_reasons.list": ({Kind.REJECT}, {Kind.REJECT}),
}


@pytest.fixture(autouse=True)
def _send_rejections_at_once(settings) -> None:
    settings.REJECT_HOLD_SECONDS = 0


@any_generation
def test_action_offered_and_accepted_where_it_fits(
    connect, cast: Cast, sandbox: Sandbox, sign_in, work, kind: str
) -> None:
    connect(kind)
    remy, application = sign_in(cast.remy), applications()[0]
    sandbox.faults.add(regex=WRITE, kind="drop_after", times=None)  # must not be reached
    count = 0
    for state, fitting in FITTING_KINDS.items():
        Application.objects.filter(pk=application.pk).update(status=state)
        assert {o.kind for o in _get_offers(remy, application) if o.allowed} == fitting, state
        for action_kind in KINDS:
            before = ApplicationAction.objects.count()
            response = perform_action(remy, action_kind, application)
            if action_kind in fitting:
                assert response.status_code == 200, (state, action_kind)
                assert outbox.withdraw(newest(), by=cast.remy.user)
            else:
                assert response.status_code in (403, 422), (state, action_kind)
                assert ApplicationAction.objects.count() == before, (state, action_kind)
            count += 1
    work()
    assert count == len(FITTING_KINDS) * len(KINDS)
    assert not _attempted_writes(sandbox)  # withdrawn before a worker ran


def _take_permission_away(
    connection: Connection, sandbox: Sandbox, permission: str, work: Callable[[], int]
) -> None:
    """Revoke it in Greenhouse and have all permissions checked again."""
    taken_away(sandbox, connection, permission)
    journey.request_check(connection, by=None)
    work()
    sandbox.requests.clear()  # the permission check probes writes on no record


@pytest.mark.parametrize("missing", KINDS_SWITCHED_OFF)
def test_missing_permission_disables_only_its_actions(
    connect, cast: Cast, sandbox: Sandbox, sign_in, work, kind: str, missing: str
) -> None:
    _take_permission_away(connect(kind), sandbox, missing, work)
    remy, ada = sign_in(cast.remy), sign_in(cast.ada)
    off = KINDS_SWITCHED_OFF[missing][1 if kind == "harvest_oauth" else 0]
    application = applications()[0]
    for state, fitting in FITTING_KINDS.items():
        Application.objects.filter(pk=application.pk).update(status=state)
        offers = {o.kind: o for o in _get_offers(remy, application)}
        assert {k for k, o in offers.items() if not o.allowed} == off & fitting, (state, missing)
        assert all("lacks" in o.why_not for o in offers.values() if not o.allowed)
        assert not any(o.in_setup for o in offers.values())  # a recruiter cannot fix it
        assert all(o.in_setup for o in _get_offers(ada, application) if not o.allowed)
        for action_kind in off:
            response = perform_action(remy, action_kind, application)
            assert response.status_code in (403, 422), (state, action_kind)
    work()
    assert not ApplicationAction.objects.exists()
    assert not _attempted_writes(sandbox)


def _get_offers(client: Client, application: Application):
    return client.get(address("row", application.pk), **HTMX).context["row"].offers


def _attempted_writes(sandbox: Sandbox) -> list[object]:
    """Every write that reached Greenhouse, whatever it answered."""
    return [
        r
        for r in sandbox.requests
        if r.method in {"POST", "PATCH"} and "/applications/" in r.path
        if "/applications/0" not in r.path  # a permission probe, on no record
    ]


@pytest.mark.parametrize(("action_kind", "state"), ACTION_STATES)
def test_action_refused_after_permission_removed(
    connect,
    cast: Cast,
    sandbox: Sandbox,
    sign_in,
    work,
    fresh,
    kind: str,
    action_kind: str,
    state: str,
) -> None:
    connect(kind)
    sam, application = sign_in(cast.sam), fresh(state)
    assert perform_action(sam, action_kind, application).status_code == 200
    sandbox.faults.add(
        regex=WRITE, kind="permission_removed", permissions=[f"applications.{action_kind}"]
    )
    work()
    assert newest().status == Status.REFUSED, newest().outcome
    assert not is_applied(sandbox, action_kind, application)
    assert writes(sandbox) == []
    assert newest().outcome
    assert newest().outcome in shown(sam, application).replace("&quot;", '"')


# Vic may advance (in Greenhouse this covers every action that is no decision), but not reject.
STATUS_FOR_VIC = {
    Kind.ADVANCE: Status.DONE,
    Kind.MOVE: Status.DONE,
    Kind.TRANSFER: Status.DONE,
    Kind.UPDATE: Status.DONE,
    Kind.REJECT: Status.REFUSED,
    Kind.UNREJECT: Status.REFUSED,
}


def test_greenhouse_refuses_action_beyond_role(
    connect, cast: Cast, sandbox: Sandbox, sign_in, work, fresh, kind: str
) -> None:
    connect(kind)
    vic = sign_in(cast.vic)
    for action_kind, state in ACTION_STATES:
        application = fresh(state, of="vic")
        assert perform_action(vic, action_kind, application).status_code == 200, (
            action_kind,
            state,
        )
        work()
        assert newest().status == STATUS_FOR_VIC[action_kind], (
            action_kind,
            state,
            newest().outcome,
        )
        assert is_applied(sandbox, action_kind, application) is (
            STATUS_FOR_VIC[action_kind] == Status.DONE
        ), (action_kind, state)


@pytest.mark.parametrize("name", ["ivy", "dana", "uma", "zoe"])
@any_generation
def test_action_404_without_access(
    connect, cast: Cast, sandbox: Sandbox, sign_in, work, kind: str, name: str
) -> None:
    connect(kind)
    stranger, application = sign_in(getattr(cast, name)), applications()[0]
    for state in FITTING_KINDS:
        Application.objects.filter(pk=application.pk).update(status=state)
        for action_kind in KINDS:
            assert perform_action(stranger, action_kind, application).status_code == 404, (
                state,
                action_kind,
            )
    work()
    assert not ApplicationAction.objects.exists()
    assert not _attempted_writes(sandbox)


def test_action_conflicts_after_concurrent_change(
    connect, cast: Cast, sandbox: Sandbox, sign_in, work, fresh, kind: str
) -> None:
    connect(kind)
    sam = sign_in(cast.sam)
    for action_kind, state in ACTION_STATES:
        for change in _list_changes(action_kind):
            application = fresh(state)
            change(sandbox, application)
            remote = truth(sandbox, application)
            before = (remote.status, remote.stage_id, remote.job_id, remote.recruiter_id)
            perform_action(sam, action_kind, application)
            work()
            assert newest().status == Status.CONFLICT, (action_kind, state, newest().outcome)
            remote = truth(sandbox, application)
            assert (remote.status, remote.stage_id, remote.job_id, remote.recruiter_id) == before
            assert "Changed meanwhile" in shown(sam, application)


def _list_changes(action_kind: str):
    """Changes in Greenhouse that make the action a conflict."""
    if action_kind == Kind.UNREJECT:
        return [_make_mutation("unreject_application")]
    if action_kind == Kind.UPDATE:
        return [_change_recruiter]
    return [_make_mutation("move_application"), _make_mutation("hire_application")]


def _make_mutation(name: str):
    return lambda sandbox, application: sandbox.mutate(name, application_id=application.remote_id)


def _change_recruiter(sandbox: Sandbox, application: Application) -> None:
    world = sandbox.world()
    record = world.applications[application.remote_id]
    recruiter_ids = [
        u.id for u in world.users if not u.service_account and u.id != record.recruiter_id
    ]
    world.change(record, recruiter_id=recruiter_ids[-1])
