"""Syncs stop when their credential is replaced and start again with the new one."""

from __future__ import annotations

import pytest
from django.test import Client

from integrations.greenhouse.sandbox import Sandbox
from portal.connections.credentials import rotation
from portal.connections.models import Connection
from portal.sync import alerts, tasks
from portal.sync.engine import run_lifecycle, run_recovery
from portal.sync.models import SyncRun
from tests.conftest import V1, V3
from tests.personas import Personas
from tests.portal.sync.sandbox_truth import assert_sync_matches
from tests.portal.sync.sync_hooks import run_during_sync

CREDENTIAL, SWITCH, SYNC = "/setup/credential/", "/setup/rotation/switch/", "/setup/sync/"
Scope, Status = SyncRun.Scope, SyncRun.Status


@pytest.fixture
def connection(connect) -> Connection:
    """A live connection with all permissions, by a v1 key."""
    return connect("harvest_key")


@pytest.fixture
def ada(connection: Connection, personas: Personas, sign_in, run_tasks) -> Client:
    """The admin, with a checked v3 credential beside the one in use."""
    ada = sign_in(personas.ada)
    ada.post(CREDENTIAL, V3)
    run_tasks()
    return ada


def _newest_runs(connection: Connection, count: int) -> list[tuple[str, str]]:
    return list(connection.syncs.values_list("scope", "status")[:count])


def test_switch_restarts_running_sync(
    ada: Client, connection: Connection, sandbox: Sandbox, run_tasks, advance_clock
) -> None:
    advance_clock(15 * 60)
    run = run_lifecycle.request_sync(connection, Scope.RECENT)
    requests_before = len(list(sandbox.requests))
    with run_during_sync("/v1/jobs", lambda: ada.post(SWITCH)):
        run_tasks()
    assert _newest_runs(connection, 2) == [
        (Scope.FULL, Status.DONE),
        (Scope.RECENT, Status.REPLACED),
    ]
    paths = [request.path for request in list(sandbox.requests)[requests_before:]]
    assert [path for path in paths if path.startswith("/v1/")] == [
        "/v1/jobs"
    ]  # the request that was open
    run.refresh_from_db()
    assert run.credential.kind == "harvest_key"
    assert not alerts.get_recent_failures(connection)
    page = ada.get("/setup/syncs/").content.decode()
    assert "Stopped: the credential was changed." in page
    assert "Failed" not in page
    assert_sync_matches(sandbox, "harvest_oauth")


def test_rollback_restarts_running_sync(
    ada: Client, connection: Connection, sandbox: Sandbox, run_tasks
) -> None:
    ada.post(SWITCH)
    with run_during_sync("/v3/jobs", lambda: ada.post("/setup/rotation/restore/")):
        run_tasks()
    assert _newest_runs(connection, 2) == [(Scope.FULL, Status.DONE), (Scope.FULL, Status.REPLACED)]
    assert connection.syncs.first().credential.kind == "harvest_key"
    assert_sync_matches(sandbox, "harvest_key")


def test_queued_sync_uses_new_credential(ada: Client, connection: Connection, run_tasks) -> None:
    run, _ = run_lifecycle.get_or_create_run(connection, by=None)
    ada.post(SWITCH)
    tasks.run_sync(run.pk)
    run.refresh_from_db()
    assert (run.status, run.credential.kind) == (Status.DONE, "harvest_oauth")


@pytest.mark.parametrize("detected_by", ["the next worker", "the sweep"])
def test_killed_sync_restarts_after_switch(
    ada: Client,
    connection: Connection,
    personas: Personas,
    sandbox: Sandbox,
    run_tasks,
    detected_by: str,
) -> None:
    """No cursor of one API version is used with the other."""
    run, _ = run_lifecycle.get_or_create_run(connection, by=None)
    with run_during_sync("/v1/jobs", _kill), pytest.raises(KilledError):
        run_lifecycle.execute_run(run)
    rotation.switch_credential(connection, by=personas.ada.user)
    if detected_by == "the sweep":
        run_recovery.recover_stalled_runs()
    else:
        SyncRun.objects.filter(pk=run.pk).update(status=Status.QUEUED)
        tasks.run_sync(run.pk)
    run.refresh_from_db()
    assert run.status == Status.REPLACED
    run_tasks()
    assert _newest_runs(connection, 2) == [(Scope.FULL, Status.DONE), (Scope.FULL, Status.REPLACED)]
    assert_sync_matches(sandbox, "harvest_oauth")


class KilledError(BaseException):
    """Stands for SIGKILL: nothing is cleaned up."""


def _kill() -> None:
    raise KilledError


def test_credential_change_in_first_sync_is_no_failure(
    personas: Personas, sandbox: Sandbox, sign_in, run_tasks
) -> None:
    ada = sign_in(personas.ada)
    ada.post(CREDENTIAL, V1)
    with run_during_sync("/v1/users", lambda: ada.post(CREDENTIAL, V3)):
        run_tasks()
    connection = Connection.objects.get(organization=personas.ada.organization)
    assert connection.state == Connection.State.LIVE
    assert _newest_runs(connection, 2) == [(Scope.FULL, Status.DONE), (Scope.FULL, Status.REPLACED)]
    assert_sync_matches(sandbox, "harvest_oauth")


def test_revoked_replaced_credential_is_no_failure(
    personas: Personas, connection: Connection, sandbox: Sandbox, sign_in, run_tasks
) -> None:
    """The old credential is refused before the sync notices its replacement."""
    run, _ = run_lifecycle.get_or_create_run(connection, by=None)

    def replace_credential() -> None:
        ada = sign_in(personas.ada)
        ada.post(CREDENTIAL, V3)
        connection.credentials.filter(state="in_use").update(state="previous")
        connection.credentials.filter(state="pending").update(state="in_use")
        sandbox.faults.add_fault("/v1/", status=401, times=None)

    with run_during_sync("/v1/users", replace_credential):
        run_lifecycle.execute_run(run)
    run.refresh_from_db()
    assert run.status == Status.REPLACED
    assert not alerts.get_recent_failures(connection)
