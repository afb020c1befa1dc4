"""Health endpoints, and the issues raised when workers fall silent."""

from __future__ import annotations

import re

import pytest
from django.test import Client
from django_q.models import Schedule

from portal.accounts.models import Organization
from portal.connections.models import Connection
from portal.connections.tasks import beat
from portal.core import pulse, queue
from portal.issues.models import Issue
from tests.cast import Cast
from tests.factories import ConnectionFactory

MINUTE = 60


def _dead_worker_organizations() -> list[str]:
    issues = Issue.objects.filter(cause=Issue.Cause.WORKER_DEAD, closed_at=None)
    return sorted(issues.values_list("organization__name", flat=True))


@pytest.fixture
def acme(cast: Cast) -> Organization:
    """Acme is connected; the other organization is not."""
    return ConnectionFactory(
        organization=cast.ada.organization, state=Connection.State.LIVE
    ).organization


def test_healthz_answers_without_database(client: Client) -> None:
    """pytest-django refuses any query here."""
    assert client.get("/healthz").content == b"ok"


def test_readyz_ok_with_live_worker(cast: Cast, client: Client) -> None:
    beat()
    response = client.get("/readyz")
    assert response.status_code == 200
    pattern = r"database: ok\nqueue: ok\nworkers: heard \d+ seconds ago\n"
    assert re.fullmatch(pattern, response.content.decode())


def test_readyz_reports_worker_never_heard(
    cast: Cast, acme: Organization, client: Client, later
) -> None:
    response = client.get("/readyz")
    assert (response.status_code, b"not heard yet" in response.content) == (503, True)
    assert _dead_worker_organizations() == []
    later(6 * MINUTE)
    assert b"workers: silent" in client.get("/readyz").content
    assert _dead_worker_organizations() == ["Acme"]


def test_silent_worker_opens_issue_until_heartbeat(
    cast: Cast, acme: Organization, client: Client, later
) -> None:
    beat()
    later(6 * MINUTE)
    for _ in range(3):
        assert client.get("/readyz").status_code == 503
    assert _dead_worker_organizations() == ["Acme"]
    assert Issue.objects.get().times == 1
    beat()
    assert _dead_worker_organizations() == []
    assert client.get("/readyz").status_code == 200
    later(6 * MINUTE)
    client.get("/readyz")
    assert _dead_worker_organizations() == ["Acme"]


def test_worker_not_dead_within_five_minutes(
    cast: Cast, acme: Organization, client: Client, later
) -> None:
    beat()
    later(4 * MINUTE)
    assert client.get("/readyz").status_code == 200
    assert _dead_worker_organizations() == []


def test_admin_pages_warn_staff_about_silent_worker(
    cast: Cast, acme: Organization, client: Client, sign_in, later
) -> None:
    beat()
    warning = b"No background worker has been heard since"
    cas = sign_in(cast.cas)
    assert warning not in cas.get("/admin/").content
    later(6 * MINUTE)
    assert warning in cas.get("/admin/").content
    assert warning in cas.get("/admin/connections/connection/").content
    assert _dead_worker_organizations() == ["Acme"]  # opened by the admin page itself
    assert warning not in client.get("/admin/login/").content
    assert warning not in sign_in(cast.zoe).get("/admin/", follow=True).content


def test_busy_worker_still_sends_heartbeat(
    cast: Cast, acme: Organization, client: Client, later, monkeypatch: pytest.MonkeyPatch
) -> None:
    beat()
    later(6 * MINUTE)
    monkeypatch.setattr(pulse, "_last_beat", float("-inf"))  # as in another process
    queue.tick()  # a thread of each worker runs this every second
    assert client.get("/readyz").status_code == 200


def test_heartbeat_scheduled_every_minute(cast: Cast) -> None:
    from portal.onboarding.apps import _schedule

    _schedule()
    assert Schedule.objects.get(func="portal.connections.tasks.beat").minutes == 1


def test_readyz_reports_unreachable_queue(
    cast: Cast, client: Client, settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    from django_q.brokers.redis_broker import Redis as RedisBroker
    from django_q.conf import Conf

    beat()
    monkeypatch.setattr(Conf, "REDIS", {"host": "127.0.0.1", "port": 9})
    monkeypatch.setattr("portal.core.queue.get_broker", lambda: RedisBroker("nobody"))
    response = client.get("/readyz")
    assert response.status_code == 503
    assert b"queue: does not answer" in response.content
