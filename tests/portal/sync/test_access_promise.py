"""Setup's last step and the customer's page say how often access is really read."""

from __future__ import annotations

import html
from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from portal.accounts.models import ActivityPeriod
from portal.connections.models import Connection
from portal.sync.models import SyncRun, SyncStep
from tests.personas import Personas
from tests.portal.sync.freshness_helpers import HOUR, MINUTE, use_portal

Scope, Status = SyncRun.Scope, SyncRun.Status
KEPT = "Access is synced every 5 minutes while someone is using the portal, and every 30 minutes"


@pytest.fixture
def read_pages(personas: Personas, sign_in):
    def read_live_and_customer_page() -> list[str]:
        pages = (
            sign_in(personas.ada).get("/setup/live/"),
            sign_in(personas.cas).get(
                f"/admin/accounts/organization/{personas.ada.organization_id}/summary/"
            ),
        )
        return [html.unescape(page.content.decode()) for page in pages]

    return read_live_and_customer_page


def _add_people_run(connection: Connection, minutes: float, **fields: object) -> SyncRun:
    now = timezone.now()
    values = {
        "scope": Scope.PEOPLE,
        "status": Status.DONE,
        "credential": connection.credential,
        "started_at": now - timedelta(minutes=minutes),
        "finished_at": now,
    }
    return SyncRun.objects.create(connection=connection, **values | fields)


def test_kept_promise_shown(connect, read_pages) -> None:
    _add_people_run(connect(), 1)
    for page in read_pages():
        assert KEPT in page


def test_slow_read_shown_with_real_interval(connect, read_pages) -> None:
    run = _add_people_run(connect("harvest_key"), 6)
    SyncStep.objects.create(run=run, kind="grants", status=SyncStep.Status.DONE, requests=1500)
    for page in read_pages():
        assert (
            "Access is synced every 12 minutes because syncing it took 6 minutes and 1,500 "
            "requests: Harvest v1 lists it for each member separately." in page
        )
        assert KEPT not in page


def test_failing_read_shown_with_its_reason(connect, read_pages, advance_clock) -> None:
    connection = connect()
    advance_clock(20 * 60)
    use_portal(connection, timezone.now() - 20 * MINUTE, timezone.now() + HOUR)
    _add_people_run(connection, 1, status=Status.FAILED, failure="Greenhouse did not answer.")
    for page in read_pages():
        assert "Access was last synced 20 minutes ago because the last sync failed: " in page
        assert "Greenhouse did not answer." in page


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({}, "the next sync waits for a free worker."),
        ({"wait_cause": "slow"}, "the next sync has to wait: Greenhouse is slow."),
    ],
)
def test_waiting_read_shown(connect, read_pages, advance_clock, fields, reason: str) -> None:
    connection = connect()
    advance_clock(10 * 60)
    if fields:
        fields |= {"due_at": timezone.now() + MINUTE}
    SyncRun.objects.create(connection=connection, scope=Scope.PEOPLE, **fields)
    ActivityPeriod.objects.all().delete()
    for page in read_pages():
        assert KEPT in page  # whoever looks has only just come back
    use_portal(connection, timezone.now() - 10 * MINUTE, timezone.now() + HOUR)
    for page in read_pages():
        assert f"Access was last synced 10 minutes ago because {reason}" in page


@pytest.mark.slow("a first sync of its own")
def test_v1_hiring_team_interval_shown(connect, read_pages) -> None:
    connect("harvest_key", without={"user_permissions.list_job_permissions"})
    for page in read_pages():
        assert "Access is synced every 15 minutes because it follows hiring teams" in page


def _read_people_page(client: Client) -> str:
    return html.unescape(client.get("/setup/people/").content.decode())


@pytest.mark.parametrize("scope", [Scope.PEOPLE, Scope.FULL])
def test_people_stay_shown_while_read_again(
    connect, personas: Personas, sign_in, scope: str
) -> None:
    connection = connect()
    ada = sign_in(personas.ada)
    before = _read_people_page(ada)
    run = SyncRun.objects.create(connection=connection, scope=scope, status=Status.RUNNING)
    for kind in ("users", "jobs", "grants"):
        SyncStep.objects.create(run=run, kind=kind)
    page = _read_people_page(ada)
    assert "Syncing." not in page
    assert "Not read yet" not in page
    assert "In Greenhouse, not invited yet" in page
    assert page.count("No match") == before.count("No match") > 0


def test_people_awaited_during_first_read(connect, personas: Personas, sign_in) -> None:
    connection = connect()
    SyncStep.objects.filter(run__connection=connection).update(status=SyncStep.Status.WAITING)
    connection.syncs.update(status=Status.RUNNING)
    assert "Syncing." in _read_people_page(sign_in(personas.ada))
