"""Syncs stop when their credential is replaced and start again with the new one."""

from __future__ import annotations

import pytest
from django.test import Client

from integrations.greenhouse.sandbox import Sandbox
from portal.connections import rotate
from portal.connections.models import Connection
from portal.mirror import sync, tasks, trouble
from portal.mirror.models import SyncRun
from tests.cast import Cast
from tests.conftest import V1, V3
from tests.portal.mirror.reading import when_a_sync_reads
from tests.portal.mirror.truth import assert_equal

CREDENTIAL, SWITCH, SYNC = "/set-up/credential/", "/set-up/rotation/switch/", "/set-up/sync/"
Scope, Status = SyncRun.Scope, SyncRun.Status


@pytest.fixture
def connection(connect) -> Connection:
    """A live connection with all permissions, by a v1 key."""
    return connect("harvest_key")


@pytest.fixture
def ada(connection: Connection, cast: Cast, sign_in, work) -> Client:
    """The admin, with a checked v3 credential beside the one in use."""
    ada = sign_in(cast.ada)
    ada.post(CREDENTIAL, V3)
    work()
    return ada


def _newest_runs(connection: Connection, count: int) -> list[tuple[str, str]]:
    return list(connection.syncs.values_list("scope", "status")[:count])


def test_switch_restarts_running_sync(
    ada: Client, connection: Connection, sandbox: Sandbox, work, later
) -> None:
    later(15 * 60)
    run = sync.request(connection, Scope.RECENT)
    requests_before = len(list(sandbox.requests))
    with when_a_sync_reads("/v1/jobs", lambda: ada.post(SWITCH)):
        work()
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
    assert not trouble.failures(connection)
    page = ada.get("/set-up/syncs/").content.decode()
    assert "Ended, because the credential was changed. What had been read is kept." in page
    assert "Failed" not in page
    assert_equal(sandbox, "harvest_oauth")


def test_rollback_restarts_running_sync(
    ada: Client, connection: Connection, sandbox: Sandbox, work
) -> None:
    ada.post(SWITCH)
    with when_a_sync_reads("/v3/jobs", lambda: ada.post("/set-up/rotation/back/")):
        work()
    assert _newest_runs(connection, 2) == [(Scope.FULL, Status.DONE), (Scope.FULL, Status.REPLACED)]
    assert connection.syncs.first().credential.kind == "harvest_key"
    assert_equal(sandbox, "harvest_key")


def test_queued_sync_uses_new_credential(ada: Client, connection: Connection, work) -> None:
    run, _ = sync.open_run(connection, by=None)
    ada.post(SWITCH)
    tasks.run(run.pk)
    run.refresh_from_db()
    assert (run.status, run.credential.kind) == (Status.DONE, "harvest_oauth")


@pytest.mark.parametrize("detected_by", ["the next worker", "the sweep"])
def test_killed_sync_restarts_after_switch(
    ada: Client, connection: Connection, cast: Cast, sandbox: Sandbox, work, detected_by: str
) -> None:
    """No cursor of one API version is used with the other."""
    run, _ = sync.open_run(connection, by=None)
    with when_a_sync_reads("/v1/jobs", _kill), pytest.raises(KilledError):
        sync.run(run)
    rotate.switch(connection, by=cast.ada.user)
    if detected_by == "the sweep":
        sync.sweep()
    else:
        SyncRun.objects.filter(pk=run.pk).update(status=Status.QUEUED)
        tasks.run(run.pk)
    run.refresh_from_db()
    assert run.status == Status.REPLACED
    work()
    assert _newest_runs(connection, 2) == [(Scope.FULL, Status.DONE), (Scope.FULL, Status.REPLACED)]
    assert_equal(sandbox, "harvest_oauth")


class KilledError(BaseException):
    """Stands for SIGKILL: nothing is cleaned up."""


def _kill() -> None:
    raise KilledError


def test_credential_change_in_first_sync_is_no_failure(
    cast: Cast, sandbox: Sandbox, sign_in, work
) -> None:
    ada = sign_in(cast.ada)
    ada.post(CREDENTIAL, V1)
    with when_a_sync_reads("/v1/users", lambda: ada.post(CREDENTIAL, V3)):
        work()
    connection = Connection.objects.get(organization=cast.ada.organization)
    assert connection.state == Connection.State.LIVE
    assert _newest_runs(connection, 2) == [(Scope.FULL, Status.DONE), (Scope.FULL, Status.REPLACED)]
    assert_equal(sandbox, "harvest_oauth")


def test_revoked_replaced_credential_is_no_failure(
    cast: Cast, connection: Connection, sandbox: Sandbox, sign_in, work
) -> None:
    """The old credential is refused before the sync notices its replacement."""
    run, _ = sync.open_run(connection, by=None)

    def replace_credential() -> None:
        ada = sign_in(cast.ada)
        ada.post(CREDENTIAL, V3)
        connection.credentials.filter(state="in_use").update(state="kept")
        connection.credentials.filter(state="beside").update(state="in_use")
        sandbox.faults.add("/v1/", status=401, times=None)

    with when_a_sync_reads("/v1/users", replace_credential):
        sync.run(run)
    run.refresh_from_db()
    assert run.status == Status.REPLACED
    assert not trouble.failures(connection)
