"""The setup flow: its steps, going back, resuming, and the first sync's remaining time."""

from __future__ import annotations

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from integrations.greenhouse.sandbox import Sandbox
from portal.connections import tasks
from portal.connections.models import Connection
from portal.onboarding import setup_flow
from portal.sync.models import SyncRun
from tests.conftest import V3
from tests.personas import Personas

PEOPLE = "/setup/people/"


def _current_step(client: Client) -> str:
    return str(client.get("/setup/").url)


def test_setup_starts_with_checklist_and_keeps_ticks(
    personas: Personas, sign_in, client: Client
) -> None:
    ada = sign_in(personas.ada)
    assert _current_step(ada) == "/setup/start/"
    ada.post("/setup/start/", {"ready": ["site_admin"]}, HTTP_HX_REQUEST="true")
    assert ada.get("/setup/start/").content.decode().count("checked") == 1
    assert _current_step(ada) == "/setup/credential/"  # resumed after the checklist
    assert Connection.objects.get(
        organization=personas.ada.organization
    ).confirmed_requirements == ["site_admin"]


def test_steps_open_in_order_and_stay_open(
    personas: Personas, sandbox: Sandbox, sign_in, run_tasks
) -> None:
    ada = sign_in(personas.ada)
    for later_step in ("permissions", "people", "sync", "live"):
        assert ada.get(f"/setup/{later_step}/").status_code == 302
    ada.post("/setup/credential/", V3)
    assert _current_step(ada) == "/setup/permissions/"
    run_tasks()
    assert _current_step(ada) == "/setup/live/"  # the first sync ran by itself
    for step in ("start", "credential", "permissions", "people", "sync", "live"):
        page = ada.get(f"/setup/{step}/")
        assert page.status_code == 200
        assert page.content.decode().count('aria-current="step"') == 1


def test_people_step_comes_before_sync(
    personas: Personas, sandbox: Sandbox, sign_in, run_tasks
) -> None:
    ada = sign_in(personas.ada)
    ada.post("/setup/credential/", V3)
    connection = Connection.objects.get(organization=personas.ada.organization)
    tasks.check_permissions(connection.last_check.pk)  # the first sync is queued but not started
    assert _current_step(ada) == PEOPLE
    page = ada.get(PEOPLE).content.decode()
    assert "Syncing people and requisitions" in page
    assert '<td data-label="Requisitions" class="num">–</td>' in page
    assert '<td data-label="Requisitions" class="num">0</td>' not in page
    assert ada.post(PEOPLE).url == "/setup/sync/"
    assert _current_step(ada) == "/setup/sync/"


def test_open_pages_move_on_once_passed(
    personas: Personas, sandbox: Sandbox, sign_in, run_tasks
) -> None:
    ada, poll = sign_in(personas.ada), {"HX-Request": "true"}
    ada.post("/setup/credential/", V3)
    assert "HX-Redirect" not in ada.get("/setup/permissions/", headers=poll).headers
    run_tasks()
    moved = ada.get("/setup/permissions/", headers=poll)
    assert moved.headers["HX-Redirect"] == PEOPLE
    assert "All permissions granted." in ada.get(PEOPLE).text
    assert ada.get("/setup/permissions/").status_code == 200  # opened later, it stays
    assert "HX-Redirect" not in ada.get("/setup/sync/", headers=poll).headers
    ada.post(PEOPLE)
    assert "HX-Redirect" not in ada.get("/setup/permissions/", headers=poll).headers
    assert ada.get("/setup/sync/", headers=poll).headers["HX-Redirect"] == "/setup/live/"
    assert "Everything is synced." in ada.get("/setup/live/").text
    ada.post("/setup/sync/")
    run_tasks()
    assert "HX-Redirect" not in ada.get("/setup/sync/", headers=poll).headers


def test_missing_permissions_keep_pages_open(
    personas: Personas, sandbox: Sandbox, sign_in, connect
) -> None:
    connect(without={"harvest:rejection_reasons:list"})
    ada, poll = sign_in(personas.ada), {"HX-Request": "true"}
    page = ada.get("/setup/permissions/", headers=poll)
    assert "HX-Redirect" not in page.headers
    assert "1 missing" in page.text
    ada.post(PEOPLE)
    page = ada.get("/setup/sync/", headers=poll)
    assert "HX-Redirect" not in page.headers
    assert "Synced, except lists without permission" in page.text


def test_setup_addresses_work_without_connection(personas: Personas, sign_in) -> None:
    zoe = sign_in(personas.zoe)
    for path in (
        *("", "before/", "credential/", "permissions/", "permissions/jobs.list/", "people/"),
        *("people/invite/", "sync/", "live/", "links/", "links/1/", "rotation/", "pause/"),
        *("rotation/switch/", "rotation/check/", "rotation/confirm/", "rotation/restore/"),
        *("rotation/discard/", "resume/", "disconnect/"),
    ):
        for send in (zoe.get, zoe.post):
            assert send(f"/setup/{path}").status_code < 500, path


@pytest.mark.django_db
def test_anonymous_visitor_returns_after_login(client: Client) -> None:
    answer = client.get("/setup/permissions/")
    assert answer.url == f"{reverse('account_login')}?next=/setup/permissions/"


def test_steps_ahead_are_never_done(
    personas: Personas, sandbox: Sandbox, sign_in, run_tasks
) -> None:
    ada = sign_in(personas.ada)

    def list_states(path: str) -> list[str]:
        return [step.state for step in ada.get(path).context["steps"]]

    assert list_states("/setup/credential/") == ["done", "current", *["todo"] * 4]
    ada.post("/setup/credential/", V3)
    run_tasks()
    assert list_states("/setup/permissions/") == ["done", "done", "current", *["open"] * 3]
    assert list_states("/setup/sync/") == [*["done"] * 4, "current", "open"]
    ada.post(PEOPLE)
    assert list_states("/setup/permissions/") == ["done", "done", "current", *["done"] * 3]


def test_finished_sync_is_skipped(personas: Personas, sandbox: Sandbox, sign_in, run_tasks) -> None:
    ada = sign_in(personas.ada)
    ada.post("/setup/credential/", V3)
    run_tasks()
    assert ada.post(PEOPLE).url == "/setup/live/"


def test_time_left_follows_pace_and_last_sync(
    connect, personas: Personas, sign_in, advance_clock
) -> None:
    connection = connect()
    run = setup_flow.request_sync(connection, by=None)
    ada = sign_in(personas.ada)
    run.steps.update(expected=100)
    first, *others = run.steps.order_by("id")
    run.steps.filter(pk__in=[step.pk for step in others[1:]]).update(status="done", read_count=0)
    run.steps.filter(pk=first.pk).update(status="done", read_count=100)
    SyncRun.objects.filter(pk=run.pk).update(status="running", started_at=timezone.now())
    advance_clock(180)
    assert "about 3 minutes left" in ada.get("/setup/sync/").content.decode()
    run.steps.filter(pk=first.pk).update(read_count=5)  # too few for an estimate
    assert "minutes left" not in ada.get("/setup/sync/").content.decode()
    run.steps.filter(pk=first.pk).update(read_count=100)
    run.steps.update(expected=None)
    assert "left</div>" not in ada.get("/setup/sync/").content.decode()
