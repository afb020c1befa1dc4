"""A sync does not go on with a credential that is no longer the one in use."""

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
    """Live with everything, by a v1 key."""
    return connect("harvest_key")


@pytest.fixture
def ada(connection: Connection, cast: Cast, sign_in, work) -> Client:
    """The admin, who has v3's credentials checked beside."""
    ada = sign_in(cast.ada)
    ada.post(CREDENTIAL, V3)
    work()
    return ada


def _newest(connection: Connection, count: int) -> list[tuple[str, str]]:
    return list(connection.syncs.values_list("scope", "status")[:count])


def test_a_switch_ends_the_sync_that_runs_and_everything_is_read_with_the_new_one(
    ada: Client, connection: Connection, sandbox: Sandbox, work, later
) -> None:
    later(15 * 60)
    run = sync.request(connection, Scope.RECENT)
    asked_before = len(list(sandbox.requests))
    with when_a_sync_reads("/v1/jobs", lambda: ada.post(SWITCH)):
        work()
    assert _newest(connection, 2) == [(Scope.FULL, Status.DONE), (Scope.RECENT, Status.REPLACED)]
    asked = [request.path for request in list(sandbox.requests)[asked_before:]]
    assert [path for path in asked if path.startswith("/v1/")] == ["/v1/jobs"]  # on its way
    run.refresh_from_db()
    assert run.credential.kind == "harvest_key"
    assert not trouble.failures(connection)
    page = ada.get("/set-up/syncs/").content.decode()
    assert "Ended, because the credential was changed. What had been read is kept." in page
    assert "Failed" not in page
    assert_equal(sandbox, "harvest_oauth")


def test_taking_the_old_one_back_ends_the_sync_with_the_new_one(
    ada: Client, connection: Connection, sandbox: Sandbox, work
) -> None:
    ada.post(SWITCH)
    with when_a_sync_reads("/v3/jobs", lambda: ada.post("/set-up/rotation/back/")):
        work()
    assert _newest(connection, 2) == [(Scope.FULL, Status.DONE), (Scope.FULL, Status.REPLACED)]
    assert connection.syncs.first().credential.kind == "harvest_key"
    assert_equal(sandbox, "harvest_key")


def test_a_sync_that_waits_for_a_worker_is_read_with_the_new_one(
    ada: Client, connection: Connection, work
) -> None:
    run, _ = sync.open_run(connection, by=None)
    ada.post(SWITCH)
    tasks.run(run.pk)
    run.refresh_from_db()
    assert (run.status, run.credential.kind) == (Status.DONE, "harvest_oauth")


@pytest.mark.parametrize("found_by", ["the next worker", "the sweep"])
def test_whoever_switched_was_killed_and_it_is_read_anew_all_the_same(
    ada: Client, connection: Connection, cast: Cast, sandbox: Sandbox, work, found_by: str
) -> None:
    """No checkpoint of the one generation is gone on from with the other."""
    run, _ = sync.open_run(connection, by=None)
    with when_a_sync_reads("/v1/jobs", _killed), pytest.raises(Killed):
        sync.run(run)
    rotate.switch(connection, by=cast.ada.user)
    if found_by == "the sweep":
        sync.sweep()
    else:
        SyncRun.objects.filter(pk=run.pk).update(status=Status.QUEUED)
        tasks.run(run.pk)
    run.refresh_from_db()
    assert run.status == Status.REPLACED
    work()
    assert _newest(connection, 2) == [(Scope.FULL, Status.DONE), (Scope.FULL, Status.REPLACED)]
    assert_equal(sandbox, "harvest_oauth")


class Killed(BaseException):
    """As by SIGKILL: nobody tidies up."""


def _killed() -> None:
    raise Killed


def test_another_one_entered_during_the_first_sync_does_not_fail_it(
    cast: Cast, sandbox: Sandbox, sign_in, work
) -> None:
    ada = sign_in(cast.ada)
    ada.post(CREDENTIAL, V1)
    with when_a_sync_reads("/v1/users", lambda: ada.post(CREDENTIAL, V3)):
        work()
    connection = Connection.objects.get(organization=cast.ada.organization)
    assert connection.state == Connection.State.LIVE
    assert _newest(connection, 2) == [(Scope.FULL, Status.DONE), (Scope.FULL, Status.REPLACED)]
    assert_equal(sandbox, "harvest_oauth")


def test_a_credential_that_was_revoked_when_another_took_its_place_is_no_failure(
    cast: Cast, connection: Connection, sandbox: Sandbox, sign_in, work
) -> None:
    """The old one is refused before anybody has looked at the sync."""
    run, _ = sync.open_run(connection, by=None)

    def replaced() -> None:
        ada = sign_in(cast.ada)
        ada.post(CREDENTIAL, V3)
        connection.credentials.filter(state="in_use").update(state="kept")
        connection.credentials.filter(state="beside").update(state="in_use")
        sandbox.faults.add("/v1/", status=401, times=None)

    with when_a_sync_reads("/v1/users", replaced):
        sync.run(run)
    run.refresh_from_db()
    assert run.status == Status.REPLACED
    assert not trouble.failures(connection)
