"""Disconnecting."""

from __future__ import annotations

import pytest
from django.test import Client
from django.urls import reverse

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

LEAVE = "/set-up/disconnect/"


@pytest.fixture
def connection(connect) -> Connection:
    return connect()


@pytest.fixture
def ada(connection: Connection, cast: Cast, sign_in) -> Client:
    return sign_in(cast.ada)


def test_disconnecting_says_what_will_be_deleted_and_asks_for_the_name(
    ada: Client, connection: Connection
) -> None:
    page = ada.get(LEAVE).content.decode()
    assert f"<dd>{Job.objects.filter(gone_at=None).count()}</dd>" in page
    for typed in ("", "yes", "Acme Inc"):
        answer = ada.post(LEAVE, {"name": typed})
        assert answer.status_code == 422
    connection.refresh_from_db()
    assert connection.state == Connection.State.LIVE


def test_disconnecting_deletes_credential_and_mirror_and_keeps_the_record(
    ada: Client, connection: Connection, work
) -> None:
    entries = Entry.objects.count()
    ada.post(LEAVE, {"name": "acme"})
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


def test_a_sync_that_was_running_writes_nothing_any_more(
    ada: Client, connection: Connection, sandbox: Sandbox, work
) -> None:
    run = journey.request_sync(connection, by=None)
    read = reading.STEPS[1].read

    def read_and_leave(provider, of, at):
        for page in read(provider, of, at):
            if connection.credential:
                ada.post(LEAVE, {"name": "Acme"})
                tasks.empty(connection.pk)
            yield page

    import dataclasses

    changed = dataclasses.replace(reading.STEPS[1], read=read_and_leave)
    steps = (reading.STEPS[0], changed, *reading.STEPS[2:])
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(reading, "STEPS", steps)
        sync.run(run)
    assert not AtsUser.objects.exists()


@pytest.mark.parametrize("emptied", [False, True], ids=["at once", "when all is deleted"])
@pytest.mark.parametrize("works", [True, False], ids=["beside", "instead"])
def test_a_credential_that_was_tried_meanwhile_is_not_stored(
    ada: Client, connection: Connection, cast: Cast, sign_in, work, works: bool, emptied: bool
) -> None:
    if not works:
        connection.checks.update(status="failed", cause="credential")
    colleague = sign_in(cast.ada)

    def leave() -> None:
        colleague.post(LEAVE, {"name": "Acme"})
        if emptied:
            work()

    with when_greenhouse_has_answered(leave):
        answer = ada.post("/set-up/credential/", V1)
    page = answer.content.decode()
    assert answer.status_code == 422
    assert "Greenhouse was disconnected here meanwhile" in page
    assert "<dt>In use</dt>" not in page
    work()
    assert {(c.state, c.secret) for c in connection.credentials.all()} == {("destroyed", "")}
    connection.refresh_from_db()
    assert connection.state == Connection.State.DISCONNECTED


def test_issues_of_what_is_gone_are_closed(connect, cast: Cast, sign_in) -> None:
    connect(without={"applications.reject"})
    assert Issue.objects.filter(closed_at=None).exists()
    sign_in(cast.ada).post(LEAVE, {"name": "Acme"})
    assert not Issue.objects.filter(closed_at=None).exists()


def test_it_can_be_connected_again(ada: Client, connection: Connection, work) -> None:
    ada.post(LEAVE, {"name": "Acme"})
    early = ada.post("/set-up/credential/", V3)
    assert "still being deleted" in early.content.decode()
    work()
    ada.post("/set-up/credential/", V3)
    work()
    connection.refresh_from_db()
    assert connection.state == Connection.State.LIVE
    assert Job.objects.exists()


def test_a_deletion_lost_on_the_way_is_asked_for_again(
    ada: Client, connection: Connection, work
) -> None:
    ada.post(LEAVE, {"name": "Acme"})
    from django_q.brokers import get_broker

    get_broker().purge_queue()
    tasks.sweep()
    work()
    assert not Job.objects.exists()


def test_with_something_essential_missing_the_ways_out_stand_where_one_is_led(
    ada: Client, connection: Connection, sandbox: Sandbox, work
) -> None:
    sandbox.credentials.find(V3["client_id"]).remove({"jobs.list"})
    ada.post("/set-up/permissions/")
    work()
    connection.refresh_from_db()
    assert connection.state == Connection.State.ACTION_NEEDED
    for path in ("/set-up/", "/set-up/live/", "/set-up/permissions/", "/set-up/credential/"):
        page = ada.get(path, follow=True).content.decode()
        assert f'href="{LEAVE}"' in page, path
        assert 'action="/set-up/pause/"' in page, path
    ada.post("/set-up/pause/")
    page = ada.get("/set-up/credential/").content.decode()
    assert f'href="{LEAVE}"' in page
    assert 'action="/set-up/pause/"' not in page
    ada.post(LEAVE, {"name": "Acme"})
    assert "Stop for a while" not in ada.get("/set-up/credential/").content.decode()


def test_zoe_and_recruiters_cannot_stop_acmes_connection(
    ada: Client, connection: Connection, cast: Cast, sign_in
) -> None:
    sign_in(cast.zoe).post(LEAVE, {"name": "Acme"})
    sign_in(cast.zoe).post("/set-up/pause/")
    for address in (LEAVE, "/set-up/pause/"):
        assert sign_in(cast.remy).post(address, {"name": "Acme"}).status_code == 403
    connection.refresh_from_db()
    assert connection.state == Connection.State.LIVE
    assert reverse("onboarding:disconnect") == LEAVE
