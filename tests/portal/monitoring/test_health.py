"""Health endpoints, and the issues raised when workers fall silent."""

from __future__ import annotations

import re
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.conf import settings
from django.db import connection
from django.db.migrations.recorder import MigrationRecorder
from django.test import Client
from django_q.brokers import get_broker
from django_q.models import Schedule

from portal import __version__
from portal.accounts.models import Organization
from portal.connections.models import Connection
from portal.connections.tasks import record_heartbeat
from portal.core import queue, worker_heartbeat
from portal.core.broker import ticker
from portal.issues.models import Issue
from portal.monitoring import health
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


@pytest.mark.parametrize("cookies", [{}, {settings.SESSION_COOKIE_NAME: "a-session"}])
def test_healthz_answers_any_host_without_database(client: Client, cookies) -> None:
    """pytest-django refuses any query here."""
    client.cookies.load(cookies)
    response = client.get("/healthz", headers={"host": "10.0.0.7:8000"})
    assert response.status_code == 200
    assert response.content.decode() == f"ok\nversion: {__version__}\n"
    assert not response.cookies
    assert client.post("/healthz").status_code == 405


def test_healthz_not_redirected_to_https(client: Client, settings) -> None:
    settings.SECURE_SSL_REDIRECT = True
    assert client.get("/healthz").status_code == 200


def test_readyz_ok_with_live_worker(personas: Personas, client: Client) -> None:
    record_heartbeat()
    response = client.get("/readyz")
    assert response.status_code == 200
    pattern = (
        r"database: ok\n(redis: ok\n)?queue: ok\noutbox: ok\nmigrations: ok\n"
        r"workers: heard \d+ seconds ago\n"
    )
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
    warning = b"No background worker has responded since"
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
    ticker.run_every_second_hooks()  # a thread of each cluster runs this every second
    assert client.get("/readyz").status_code == 200


def test_heartbeat_scheduled_every_minute(personas: Personas) -> None:
    from portal.wiring.schedules import schedule_recurring_tasks

    schedule_recurring_tasks()
    assert Schedule.objects.get(func="portal.connections.tasks.record_heartbeat").minutes == 1


def test_readyz_reports_lane_without_workers(
    personas: Personas, client: Client, advance_clock
) -> None:
    record_heartbeat()
    queue.enqueue_task("portal.sync.tasks.request_due_syncs")
    queue.enqueue_task("portal.jobs.tasks.update_all_counts")
    advance_clock(6 * MINUTE)
    record_heartbeat()
    assert get_broker().take_task() is not None  # from the lane of checks
    response = client.get("/readyz")
    assert response.status_code == 503
    assert b"queue: no worker takes syncs" in response.content
    get_broker().purge_queue()
    assert b"queue: ok" in client.get("/readyz").content


def test_readyz_reports_missing_migration(personas: Personas, client: Client) -> None:
    record_heartbeat()
    recorder = MigrationRecorder(connection)
    recorder.record_unapplied("core", "0001_initial")
    try:
        response = client.get("/readyz", headers={"host": "10.0.0.7"})
    finally:
        recorder.record_applied("core", "0001_initial")
    assert response.status_code == 503
    assert b"migrations: 1 not applied" in response.content


def test_readyz_does_not_wait_for_hanging_database(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    released, started_checks = threading.Event(), []

    def hang() -> health.CheckResult:
        started_checks.append(threading.current_thread())
        released.wait(60)
        return True, "ok"

    monkeypatch.setattr(health, "_database_check", health.BoundedCheck(hang))
    monkeypatch.setattr(health, "CHECK_TIMEOUT_SECONDS", 0.1)
    with ThreadPoolExecutor(4) as executor:
        responses = list(executor.map(client.get, ["/readyz"] * 4))
    released.set()
    for response in responses:
        assert response.status_code == 503
        assert b"database: does not answer" in response.content
        assert b"workers: cannot be told" in response.content
    assert len(started_checks) == 1  # one thread, however many ask
    started_checks[0].join()


def test_readyz_answers_session_cookie_without_database(client: Client) -> None:
    """pytest-django refuses any query here."""
    client.cookies[settings.SESSION_COOKIE_NAME] = "a-session"
    response = client.get("/readyz")
    assert response.status_code == 503
    assert b"database: does not answer" in response.content
