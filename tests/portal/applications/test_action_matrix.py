"""Action by state by permission by person: each combination and its outcome."""

from __future__ import annotations

import html
from collections.abc import Callable

import pytest
from django.test import Client

from integrations.greenhouse.sandbox import Sandbox
from portal.applications.actions import outbox
from portal.applications.models import ActionKind, ApplicationAction
from portal.connections.models import Connection
from portal.onboarding import setup_flow
from portal.sync.models import Application
from tests.api_generations import any_generation
from tests.personas import Personas
from tests.portal.applications.action_helpers import (
    HTMX,
    build_action_url,
    fetch_row,
    get_latest_action,
    get_sandbox_application,
    list_applications,
    list_writes,
)
from tests.portal.applications.action_matrix import (
    ACTION_STATES,
    FITTING_KINDS,
    KINDS,
    WRITE,
    is_applied,
    perform_action,
)
from tests.portal.sync.permission_changes import revoke_permissions

Status = ApplicationAction.Status

# Action kinds switched off by a missing permission: per endpoint (v1) and per scope (v3).
KINDS_SWITCHED_OFF = {
    "applications.advance": (
        {ActionKind.ADVANCE},
        {ActionKind.ADVANCE, ActionKind.MOVE, ActionKind.TRANSFER},
    ),
    "applications.move": (
        {ActionKind.MOVE},
        {ActionKind.ADVANCE, ActionKind.MOVE, ActionKind.TRANSFER},
    ),
    "applications.transfer": (
        {ActionKind.TRANSFER},
        {ActionKind.ADVANCE, ActionKind.MOVE, ActionKind.TRANSFER},
    ),
    "applications.reject": ({ActionKind.REJECT}, {ActionKind.REJECT}),
    "applications.unreject": ({ActionKind.UNREJECT}, {ActionKind.UNREJECT}),
    "applications.update": ({ActionKind.UPDATE}, {ActionKind.UPDATE}),
    "rejection_reasons.list": ({ActionKind.REJECT}, {ActionKind.REJECT}),
}


@pytest.fixture(autouse=True)
def _send_rejections_at_once(settings) -> None:
    settings.REJECT_UNDO_SECONDS = 0


@pytest.mark.slow("tries each action in each state")
@any_generation
def test_action_offered_and_accepted_where_it_fits(
    connect, personas: Personas, sandbox: Sandbox, sign_in, run_tasks, kind: str
) -> None:
    connect(kind)
    remy, application = sign_in(personas.remy), list_applications()[0]
    sandbox.faults.add_fault(regex=WRITE, kind="drop_after", times=None)  # must not be reached
    count = 0
    for state, fitting in FITTING_KINDS.items():
        Application.objects.filter(pk=application.pk).update(status=state)
        assert {o.kind for o in _get_offers(remy, application) if o.allowed} == fitting, state
        for action_kind in KINDS:
            before = ApplicationAction.objects.count()
            response = perform_action(remy, action_kind, application)
            if action_kind in fitting:
                assert response.status_code == 200, (state, action_kind)
                assert outbox.cancel_action(get_latest_action(), by=personas.remy.user)
            else:
                assert response.status_code in (403, 422), (state, action_kind)
                assert ApplicationAction.objects.count() == before, (state, action_kind)
            count += 1
    run_tasks()
    assert count == len(FITTING_KINDS) * len(KINDS)
    assert not _attempted_writes(sandbox)  # withdrawn before a worker ran


def _take_permission_away(
    connection: Connection, sandbox: Sandbox, permission: str, run_tasks: Callable[[], int]
) -> None:
    """Revoke it in Greenhouse and have all permissions checked again."""
    revoke_permissions(sandbox, connection, permission)
    setup_flow.request_check(connection, by=None)
    run_tasks()
    sandbox.requests.clear_entries()  # the permission check probes writes on no record


@pytest.mark.slow("tests every permission again, then tries each action in each state")
@pytest.mark.parametrize("missing", KINDS_SWITCHED_OFF)
def test_missing_permission_disables_only_its_actions(
    connect, personas: Personas, sandbox: Sandbox, sign_in, run_tasks, kind: str, missing: str
) -> None:
    _take_permission_away(connect(kind), sandbox, missing, run_tasks)
    remy, ada = sign_in(personas.remy), sign_in(personas.ada)
    off = KINDS_SWITCHED_OFF[missing][1 if kind == "harvest_oauth" else 0]
    application = list_applications()[0]
    for state, fitting in FITTING_KINDS.items():
        Application.objects.filter(pk=application.pk).update(status=state)
        offers = {o.kind: o for o in _get_offers(remy, application)}
        assert {k for k, o in offers.items() if not o.allowed} == off & fitting, (state, missing)
        assert all("is missing a permission" in o.why_not for o in offers.values() if not o.allowed)
        assert not any(o.fixable_in_setup for o in offers.values())  # a recruiter cannot fix it
        assert all(o.fixable_in_setup for o in _get_offers(ada, application) if not o.allowed)
        for action_kind in off:
            response = perform_action(remy, action_kind, application)
            assert response.status_code in (403, 422), (state, action_kind)
    run_tasks()
    assert not ApplicationAction.objects.exists()
    assert not _attempted_writes(sandbox)


def _get_offers(client: Client, application: Application):
    return client.get(build_action_url("more", application.pk), **HTMX).context["row"].options


def _attempted_writes(sandbox: Sandbox) -> list[object]:
    """Every write that reached Greenhouse, whatever it answered."""
    return [
        r
        for r in sandbox.requests
        if r.method in {"POST", "PATCH"} and "/applications/" in r.path
        if "/applications/0" not in r.path  # a permission probe, on no record
    ]


@pytest.mark.slow("tests every permission again")
@pytest.mark.parametrize(("action_kind", "state"), ACTION_STATES)
def test_action_refused_after_permission_removed(
    connect,
    personas: Personas,
    sandbox: Sandbox,
    sign_in,
    run_tasks,
    pick_fresh_application,
    kind: str,
    action_kind: str,
    state: str,
) -> None:
    connect(kind)
    sam, application = sign_in(personas.sam), pick_fresh_application(state)
    assert perform_action(sam, action_kind, application).status_code == 200
    sandbox.faults.add_fault(
        regex=WRITE, kind="permission_removed", permissions=[f"applications.{action_kind}"]
    )
    run_tasks()
    assert get_latest_action().status == Status.REFUSED, get_latest_action().outcome
    assert not is_applied(sandbox, action_kind, application)
    assert list_writes(sandbox) == []
    assert get_latest_action().outcome
    assert get_latest_action().outcome in html.unescape(fetch_row(sam, application))


# Vic may advance (in Greenhouse this covers every action that is no decision), but not reject.
STATUS_FOR_VIC = {
    ActionKind.ADVANCE: Status.DONE,
    ActionKind.MOVE: Status.DONE,
    ActionKind.TRANSFER: Status.DONE,
    ActionKind.UPDATE: Status.DONE,
    ActionKind.REJECT: Status.REFUSED,
    ActionKind.UNREJECT: Status.REFUSED,
}


@pytest.mark.slow("sends an action of every kind")
def test_greenhouse_refuses_action_beyond_role(
    connect,
    personas: Personas,
    sandbox: Sandbox,
    sign_in,
    run_tasks,
    pick_fresh_application,
    kind: str,
) -> None:
    connect(kind)
    vic = sign_in(personas.vic)
    for action_kind, state in ACTION_STATES:
        application = pick_fresh_application(state, of="vic")
        assert perform_action(vic, action_kind, application).status_code == 200, (
            action_kind,
            state,
        )
        run_tasks()
        assert get_latest_action().status == STATUS_FOR_VIC[action_kind], (
            action_kind,
            state,
            get_latest_action().outcome,
        )
        assert is_applied(sandbox, action_kind, application) is (
            STATUS_FOR_VIC[action_kind] == Status.DONE
        ), (action_kind, state)


@pytest.mark.slow("tries each action in each state")
@pytest.mark.parametrize("name", ["ivy", "dana", "uma", "zoe"])
@any_generation
def test_action_404_without_access(
    connect, personas: Personas, sandbox: Sandbox, sign_in, run_tasks, kind: str, name: str
) -> None:
    connect(kind)
    stranger, application = sign_in(getattr(personas, name)), list_applications()[0]
    for state in FITTING_KINDS:
        Application.objects.filter(pk=application.pk).update(status=state)
        for action_kind in KINDS:
            assert perform_action(stranger, action_kind, application).status_code == 404, (
                state,
                action_kind,
            )
    run_tasks()
    assert not ApplicationAction.objects.exists()
    assert not _attempted_writes(sandbox)


@pytest.mark.slow("tries each action after each change")
def test_action_conflicts_after_concurrent_change(
    connect,
    personas: Personas,
    sandbox: Sandbox,
    sign_in,
    run_tasks,
    pick_fresh_application,
    kind: str,
) -> None:
    connect(kind)
    sam = sign_in(personas.sam)
    for action_kind, state in ACTION_STATES:
        for change in _list_changes(action_kind):
            application = pick_fresh_application(state)
            change(sandbox, application)
            remote = get_sandbox_application(sandbox, application)
            before = (remote.status, remote.stage_id, remote.job_id, remote.recruiter_id)
            perform_action(sam, action_kind, application)
            run_tasks()
            assert get_latest_action().status == Status.CONFLICT, (
                action_kind,
                state,
                get_latest_action().outcome,
            )
            remote = get_sandbox_application(sandbox, application)
            assert (remote.status, remote.stage_id, remote.job_id, remote.recruiter_id) == before
            assert "this application changed since" in fetch_row(sam, application)


def _list_changes(action_kind: str):
    """Changes in Greenhouse that make the action a conflict."""
    if action_kind == ActionKind.UNREJECT:
        return [_make_mutation("unreject_application")]
    if action_kind == ActionKind.UPDATE:
        return [_change_recruiter]
    return [_make_mutation("move_application"), _make_mutation("hire_application")]


def _make_mutation(name: str):
    return lambda sandbox, application: sandbox.run_mutation(
        name, application_id=application.remote_id
    )


def _change_recruiter(sandbox: Sandbox, application: Application) -> None:
    world = sandbox.dataset()
    record = world.applications[application.remote_id]
    recruiter_ids = [
        u.id for u in world.users if not u.service_account and u.id != record.recruiter_id
    ]
    world.update_record(record, recruiter_id=recruiter_ids[-1])
