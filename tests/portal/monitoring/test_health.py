"""Health endpoints, and the issues raised when workers fall silent."""

from __future__ import annotations

import re

import pytest
from django.test import Client
from django_q.models import Schedule

from portal.accounts.models import Organization
from portal.connections.models import Connection
from portal.connections.tasks import record_heartbeat
from portal.core import queue, worker_heartbeat
from portal.issues.models import Issue
from tests.factories import ConnectionFactory
from tests.personas import Personas

MINUTE = 60


def _dead_worker_organizations() -> list[str]:
    issues = Issue.objects.filter(cause=Issue.Cause.WORKER_DEAD, closed_at=None)
    return sorted(issues.values_list("organization__name", flat=True))


@pytest.fixture
def acme(personas: Personas) -> Organization:
    """Acme is connected; the other organization is not."""
    return ConnectionFactory(
        organization=personas.ada.organization, state=Connection.State.LIVE
    ).organization


def test_healthz_answers_without_database(client: Client) -> None:
    """pytest-django refuses any query here."""
    assert client.get("/healthz").content == b"ok"


def test_readyz_ok_with_live_worker(personas: Personas, client: Client) -> None:
    record_heartbeat()
    response = client.get("/readyz")
    assert response.status_code == 200
    pattern = r"database: ok\nqueue: ok\nworkers: heard \d+ seconds ago\n"
    assert re.fullmatch(pattern, response.content.decode())


def test_readyz_reports_worker_never_heard(
    personas: Personas, acme: Organization, client: Client, advance_clock
) -> None:
    response = client.get("/readyz")
    assert (response.status_code, b"not heard yet" in response.content) == (503, True)
    assert _dead_worker_organizations() == []
    advance_clock(6 * MINUTE)
    assert b"workers: silent" in client.get("/readyz").content
    assert _dead_worker_organizations() == ["Acme"]


def test_silent_worker_opens_issue_until_heartbeat(
    personas: Personas, acme: Organization, client: Client, advance_clock
) -> None:
    record_heartbeat()
    advance_clock(6 * MINUTE)
    for _ in range(3):
        assert client.get("/readyz").status_code == 503
    assert _dead_worker_organizations() == ["Acme"]
    assert Issue.objects.get().occurrences == 1
    record_heartbeat()
    assert _dead_worker_organizations() == []
    assert client.get("/readyz").status_code == 200
    advance_clock(6 * MINUTE)
    client.get("/readyz")
    assert _dead_worker_organizations() == ["Acme"]


def test_worker_not_dead_within_five_minutes(
    personas: Personas, acme: Organization, client: Client, advance_clock
) -> None:
    record_heartbeat()
    advance_clock(4 * MINUTE)
    assert client.get("/readyz").status_code == 200
    assert _dead_worker_organizations() == []


def test_admin_pages_warn_staff_about_silent_worker(
    personas: Personas, acme: Organization, client: Client, sign_in, advance_clock
) -> None:
    record_heartbeat()
    warning = b"No background worker has been heard since"
    cas = sign_in(personas.cas)
    assert warning not in cas.get("/admin/").content
    advance_clock(6 * MINUTE)
    assert warning in cas.get("/admin/").content
    assert warning in cas.get("/admin/connections/connection/").content
    assert _dead_worker_organizations() == ["Acme"]  # opened by the admin page itself
    assert warning not in client.get("/admin/login/").content
    assert warning not in sign_in(personas.zoe).get("/admin/", follow=True).content


def test_busy_worker_still_sends_heartbeat(
    personas: Personas,
    acme: Organization,
    client: Client,
    advance_clock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    record_heartbeat()
    advance_clock(6 * MINUTE)
    monkeypatch.setattr(
        worker_heartbeat, "_last_recorded_at", float("-inf")
    )  # as in another process
    queue.run_every_second_hooks()  # a thread of each worker runs this every second
    assert client.get("/readyz").status_code == 200


def test_heartbeat_scheduled_every_minute(personas: Personas) -> None:
    from portal.wiring.schedules import schedule_recurring_tasks

    schedule_recurring_tasks()
    assert Schedule.objects.get(func="portal.connections.tasks.record_heartbeat").minutes == 1


def test_readyz_reports_unreachable_queue(
    personas: Personas, client: Client, settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    from django_q.brokers.redis_broker import Redis as RedisBroker
    from django_q.conf import Conf

    record_heartbeat()
    monkeypatch.setattr(Conf, "REDIS", {"host": "127.0.0.1", "port": 9})
    monkeypatch.setattr("portal.core.queue.get_broker", lambda: RedisBroker("nobody"))
    response = client.get("/readyz")
    assert response.status_code == 503
    assert b"queue: does not answer" in response.content
