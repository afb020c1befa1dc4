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
from portal.mirror import reading, sync
from portal.mirror.models import Application, AtsUser, Job, SyncRun
from portal.onboarding import journey, tasks
from tests.cast import Cast
from tests.conftest import V1, V3
from tests.portal.meanwhile import when_greenhouse_has_answered

DISCONNECT = "/set-up/disconnect/"


@pytest.fixture
def connection(connect) -> Connection:
    return connect()


@pytest.fixture
def ada(connection: Connection, cast: Cast, sign_in) -> Client:
    return sign_in(cast.ada)


def test_disconnect_lists_data_and_requires_name(ada: Client, connection: Connection) -> None:
    page = ada.get(DISCONNECT).content.decode()
    assert f"<dd>{Job.objects.filter(gone_at=None).count()}</dd>" in page
    for name in ("", "yes", "Acme Inc"):
        answer = ada.post(DISCONNECT, {"name": name})
        assert answer.status_code == 422
    connection.refresh_from_db()
    assert connection.state == Connection.State.LIVE


def test_disconnect_deletes_data_and_keeps_log(ada: Client, connection: Connection, work) -> None:
    entries = Entry.objects.count()
    ada.post(DISCONNECT, {"name": "acme"})
    assert connection.credential is None
    assert {c.secret for c in connection.credentials.all()} == {""}
    assert {str(c.client_id) for c in connection.credentials.all()} == {""}
    work()
    for model in (Application, AtsUser, Job, SyncRun):
        assert not model.objects.exists(), model
    assert Entry.objects.count() == entries + 1
    assert Entry.objects.latest("id").verb == "connection.disconnected"
    connection.refresh_from_db()
    assert (connection.state, connection.emptying) == (Connection.State.DISCONNECTED, False)


def test_running_sync_writes_nothing_after_disconnect(
    ada: Client, connection: Connection, sandbox: Sandbox, work
) -> None:
    run = journey.request_sync(connection, by=None)
    original_read = reading.STEPS[1].read

    def read_and_disconnect(provider, sync_run, at):
        for page in original_read(provider, sync_run, at):
            if connection.credential:
                ada.post(DISCONNECT, {"name": "Acme"})
                tasks.empty(connection.pk)
            yield page

    changed_step = dataclasses.replace(reading.STEPS[1], read=read_and_disconnect)
    steps = (reading.STEPS[0], changed_step, *reading.STEPS[2:])
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(reading, "STEPS", steps)
        sync.run(run)
    assert not AtsUser.objects.exists()


@pytest.mark.parametrize("emptied", [False, True], ids=["before deletion", "after deletion"])
@pytest.mark.parametrize("credential_works", [True, False], ids=["beside", "instead"])
def test_credential_tried_during_disconnect_not_stored(
    ada: Client,
    connection: Connection,
    cast: Cast,
    sign_in,
    work,
    credential_works: bool,
    emptied: bool,
) -> None:
    if not credential_works:
        connection.checks.update(status="failed", cause="credential")
    colleague = sign_in(cast.ada)

    def disconnect() -> None:
        colleague.post(DISCONNECT, {"name": "Acme"})
        if emptied:
            work()

    with when_greenhouse_has_answered(disconnect):
        answer = ada.post("/set-up/credential/", V1)
    page = answer.content.decode()
    assert answer.status_code == 422
    assert "Greenhouse was disconnected here meanwhile" in page
    assert "<dt>In use</dt>" not in page
    work()
    assert {(c.state, c.secret) for c in connection.credentials.all()} == {("destroyed", "")}
    connection.refresh_from_db()
    assert connection.state == Connection.State.DISCONNECTED


def test_disconnect_closes_issues(connect, cast: Cast, sign_in) -> None:
    connect(without={"applications.reject"})
    assert Issue.objects.filter(closed_at=None).exists()
    sign_in(cast.ada).post(DISCONNECT, {"name": "Acme"})
    assert not Issue.objects.filter(closed_at=None).exists()


def test_disconnected_account_can_reconnect(ada: Client, connection: Connection, work) -> None:
    ada.post(DISCONNECT, {"name": "Acme"})
    too_early = ada.post("/set-up/credential/", V3)
    assert "still being deleted" in too_early.content.decode()
    work()
    ada.post("/set-up/credential/", V3)
    work()
    connection.refresh_from_db()
    assert connection.state == Connection.State.LIVE
    assert Job.objects.exists()


def test_lost_deletion_task_is_queued_again(ada: Client, connection: Connection, work) -> None:
    ada.post(DISCONNECT, {"name": "Acme"})
    get_broker().purge_queue()
    tasks.sweep()
    work()
    assert not Job.objects.exists()


def test_exits_offered_when_permission_is_missing(
    ada: Client, connection: Connection, sandbox: Sandbox, work
) -> None:
    sandbox.credentials.find(V3["client_id"]).remove({"jobs.list"})
    ada.post("/set-up/permissions/")
    work()
    connection.refresh_from_db()
    assert connection.state == Connection.State.ACTION_NEEDED
    for path in ("/set-up/", "/set-up/live/", "/set-up/permissions/", "/set-up/credential/"):
        page = ada.get(path, follow=True).content.decode()
        assert f'href="{DISCONNECT}"' in page, path
        assert 'action="/set-up/pause/"' in page, path
    ada.post("/set-up/pause/")
    page = ada.get("/set-up/credential/").content.decode()
    assert f'href="{DISCONNECT}"' in page
    assert 'action="/set-up/pause/"' not in page
    ada.post(DISCONNECT, {"name": "Acme"})
    assert "Stop for a while" not in ada.get("/set-up/credential/").content.decode()


def test_other_people_cannot_pause_or_disconnect(
    ada: Client, connection: Connection, cast: Cast, sign_in
) -> None:
    sign_in(cast.zoe).post(DISCONNECT, {"name": "Acme"})
    sign_in(cast.zoe).post("/set-up/pause/")
    for address in (DISCONNECT, "/set-up/pause/"):
        assert sign_in(cast.remy).post(address, {"name": "Acme"}).status_code == 403
    connection.refresh_from_db()
    assert connection.state == Connection.State.LIVE
    assert reverse("onboarding:disconnect") == DISCONNECT
