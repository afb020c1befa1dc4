"""Disconnecting from Greenhouse."""

from __future__ import annotations

import dataclasses

import pytest
from django.test import Client
from django.urls import reverse
from django_q.brokers import get_broker

from integrations.greenhouse.sandbox import Sandbox
from portal.audit.models import Entry
from portal.connections.models import Connection
from portal.issues.models import Issue
from portal.onboarding import setup_flow, tasks
from portal.sync.engine import run_lifecycle, worker
from portal.sync.models import Application, AtsUser, Job, SyncRun
from tests.conftest import V1, V3
from tests.personas import Personas
from tests.portal.concurrency import run_after_response

DISCONNECT = "/setup/disconnect/"


@pytest.fixture
def connection(connect) -> Connection:
    return connect()


@pytest.fixture
def ada(connection: Connection, personas: Personas, sign_in) -> Client:
    return sign_in(personas.ada)


def test_disconnect_lists_data_and_requires_name(ada: Client, connection: Connection) -> None:
    page = ada.get(DISCONNECT).content.decode()
    assert f"<dd>{Job.objects.filter(gone_at=None).count()}</dd>" in page
    for name in ("", "yes", "Acme Inc"):
        answer = ada.post(DISCONNECT, {"name": name})
        assert answer.status_code == 422
    connection.refresh_from_db()
    assert connection.state == Connection.State.LIVE


def test_disconnect_deletes_data_and_keeps_log(
    ada: Client, connection: Connection, run_tasks
) -> None:
    entries = Entry.objects.count()
    ada.post(DISCONNECT, {"name": "acme"})
    assert connection.credential is None
    assert {c.secret for c in connection.credentials.all()} == {""}
    assert {str(c.client_id) for c in connection.credentials.all()} == {""}
    run_tasks()
    for model in (Application, AtsUser, Job, SyncRun):
        assert not model.objects.exists(), model
    assert Entry.objects.count() == entries + 1
    assert Entry.objects.latest("id").verb == "connection.disconnected"
    connection.refresh_from_db()
    assert (connection.state, connection.data_deletion_pending) == (
        Connection.State.DISCONNECTED,
        False,
    )


def test_running_sync_writes_nothing_after_disconnect(
    ada: Client, connection: Connection, sandbox: Sandbox, run_tasks
) -> None:
    run = setup_flow.request_sync(connection, by=None)
    original_read = worker.STEPS[1].read

    def read_and_disconnect(provider, sync_run, at):
        for page in original_read(provider, sync_run, at):
            if connection.credential:
                ada.post(DISCONNECT, {"name": "Acme"})
                tasks.delete_synced_data(connection.pk)
            yield page

    changed_step = dataclasses.replace(worker.STEPS[1], read=read_and_disconnect)
    steps = (worker.STEPS[0], changed_step, *worker.STEPS[2:])
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(worker, "STEPS", steps)
        run_lifecycle.execute_run(run)
    assert not AtsUser.objects.exists()


@pytest.mark.parametrize("emptied", [False, True], ids=["before deletion", "after deletion"])
@pytest.mark.parametrize("credential_works", [True, False], ids=["beside", "instead"])
def test_credential_tried_during_disconnect_not_stored(
    ada: Client,
    connection: Connection,
    personas: Personas,
    sign_in,
    run_tasks,
    credential_works: bool,
    emptied: bool,
) -> None:
    if not credential_works:
        connection.checks.update(status="failed", cause="credential")
    colleague = sign_in(personas.ada)

    def disconnect() -> None:
        colleague.post(DISCONNECT, {"name": "Acme"})
        if emptied:
            run_tasks()

    with run_after_response(disconnect):
        answer = ada.post("/setup/credential/", V1)
    page = answer.content.decode()
    assert answer.status_code == 422
    assert "Greenhouse was disconnected or switched to another account" in page
    assert "<dt>In use</dt>" not in page
    run_tasks()
    assert {(c.state, c.secret) for c in connection.credentials.all()} == {("deleted", "")}
    connection.refresh_from_db()
    assert connection.state == Connection.State.DISCONNECTED


def test_disconnect_closes_issues(connect, personas: Personas, sign_in) -> None:
    connect(without={"applications.reject"})
    assert Issue.objects.filter(closed_at=None).exists()
    sign_in(personas.ada).post(DISCONNECT, {"name": "Acme"})
    assert not Issue.objects.filter(closed_at=None).exists()


def test_disconnected_account_can_reconnect(ada: Client, connection: Connection, run_tasks) -> None:
    ada.post(DISCONNECT, {"name": "Acme"})
    too_early = ada.post("/setup/credential/", V3)
    assert "still being deleted" in too_early.content.decode()
    run_tasks()
    ada.post("/setup/credential/", V3)
    run_tasks()
    connection.refresh_from_db()
    assert connection.state == Connection.State.LIVE
    assert Job.objects.exists()


def test_lost_deletion_task_is_queued_again(ada: Client, connection: Connection, run_tasks) -> None:
    ada.post(DISCONNECT, {"name": "Acme"})
    get_broker().purge_queue()
    tasks.recover_lost_deletions()
    run_tasks()
    assert not Job.objects.exists()


def test_exits_offered_when_permission_is_missing(
    ada: Client, connection: Connection, sandbox: Sandbox, run_tasks
) -> None:
    sandbox.credentials.find_credential(V3["client_id"]).remove_permissions({"jobs.list"})
    ada.post("/setup/permissions/")
    run_tasks()
    connection.refresh_from_db()
    assert connection.state == Connection.State.ACTION_NEEDED
    for path in ("/setup/", "/setup/live/", "/setup/permissions/", "/setup/credential/"):
        page = ada.get(path, follow=True).content.decode()
        assert f'href="{DISCONNECT}"' in page, path
        assert 'action="/setup/pause/"' in page, path
    ada.post("/setup/pause/")
    page = ada.get("/setup/credential/").content.decode()
    assert f'href="{DISCONNECT}"' in page
    assert 'action="/setup/pause/"' not in page
    ada.post(DISCONNECT, {"name": "Acme"})
    assert "Pause or disconnect" not in ada.get("/setup/credential/").content.decode()


def test_other_people_cannot_pause_or_disconnect(
    ada: Client, connection: Connection, personas: Personas, sign_in
) -> None:
    sign_in(personas.zoe).post(DISCONNECT, {"name": "Acme"})
    sign_in(personas.zoe).post("/setup/pause/")
    for address in (DISCONNECT, "/setup/pause/"):
        assert sign_in(personas.remy).post(address, {"name": "Acme"}).status_code == 403
    connection.refresh_from_db()
    assert connection.state == Connection.State.LIVE
    assert reverse("onboarding:disconnect") == DISCONNECT
