"""What a load balancer and a monitor are told, and what becomes of workers that fell silent."""

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


def _dead() -> list[str]:
    found = Issue.objects.filter(cause=Issue.Cause.WORKER_DEAD, closed_at=None)
    return sorted(found.values_list("organization__name", flat=True))


@pytest.fixture
def acme(cast: Cast) -> Organization:
    """Acme is connected, Other Inc. is not."""
    return ConnectionFactory(
        organization=cast.ada.organization, state=Connection.State.LIVE
    ).organization


def test_a_live_process_answers_a_load_balancer(client: Client) -> None:
    """Without the database: pytest-django would refuse a query here."""
    assert client.get("/healthz").content == b"ok"


def test_everything_in_order_is_ready(cast: Cast, client: Client) -> None:
    beat()
    answer = client.get("/readyz")
    assert answer.status_code == 200
    said = r"database: ok\nqueue: ok\nworkers: heard \d+ seconds ago\n"
    assert re.fullmatch(said, answer.content.decode())


def test_a_worker_that_was_never_heard_is_not_ready_and_in_time_counts_as_dead(
    cast: Cast, acme: Organization, client: Client, later
) -> None:
    answer = client.get("/readyz")
    assert (answer.status_code, b"not heard yet" in answer.content) == (503, True)
    assert _dead() == []
    later(6 * MINUTE)
    assert b"workers: silent" in client.get("/readyz").content
    assert _dead() == ["Acme"]


def test_silence_opens_one_issue_for_who_is_connected_and_the_next_sign_closes_it(
    cast: Cast, acme: Organization, client: Client, later
) -> None:
    beat()
    later(6 * MINUTE)
    for _ in range(3):
        assert client.get("/readyz").status_code == 503
    assert _dead() == ["Acme"]
    assert Issue.objects.get().times == 1
    beat()
    assert _dead() == []
    assert client.get("/readyz").status_code == 200
    later(6 * MINUTE)
    client.get("/readyz")
    assert _dead() == ["Acme"]


def test_five_minutes_of_patience(cast: Cast, acme: Organization, client: Client, later) -> None:
    beat()
    later(4 * MINUTE)
    assert client.get("/readyz").status_code == 200
    assert _dead() == []


def test_staff_read_it_on_every_admin_page_and_a_stranger_at_the_door_does_not(
    cast: Cast, acme: Organization, client: Client, sign_in, later
) -> None:
    beat()
    words = b"No background worker has been heard since"
    cas = sign_in(cast.cas)
    assert words not in cas.get("/admin/").content
    later(6 * MINUTE)
    assert words in cas.get("/admin/").content
    assert words in cas.get("/admin/connections/connection/").content
    assert _dead() == ["Acme"]  # the admin noticed it by itself
    assert words not in client.get("/admin/login/").content
    assert words not in sign_in(cast.zoe).get("/admin/", follow=True).content


def test_a_worker_that_is_busy_for_long_is_heard_too(
    cast: Cast, acme: Organization, client: Client, later, monkeypatch: pytest.MonkeyPatch
) -> None:
    beat()
    later(6 * MINUTE)
    monkeypatch.setattr(pulse, "_last_beat", float("-inf"))  # as in a process of its own
    queue.tick()  # what a thread of each worker process does each second
    assert client.get("/readyz").status_code == 200


def test_workers_are_asked_for_a_sign_each_minute(cast: Cast) -> None:
    from portal.onboarding.apps import _schedule

    _schedule()
    assert Schedule.objects.get(func="portal.connections.tasks.beat").minutes == 1


def test_a_queue_that_does_not_answer_is_said(
    cast: Cast, client: Client, settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    from django_q.brokers.redis_broker import Redis as RedisBroker
    from django_q.conf import Conf

    beat()
    monkeypatch.setattr(Conf, "REDIS", {"host": "127.0.0.1", "port": 9})
    monkeypatch.setattr("portal.core.queue.get_broker", lambda: RedisBroker("nobody"))
    answer = client.get("/readyz")
    assert answer.status_code == 503
    assert b"queue: does not answer" in answer.content
