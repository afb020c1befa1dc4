"""The door to the queue, when the broker behind it is away."""

from __future__ import annotations

import pytest
from django.db import transaction
from django_q.brokers.redis_broker import Redis
from django_q.conf import Conf

from portal.core import queue
from portal.notices.models import Notice
from tests.cast import Cast


@pytest.fixture
def broker_away(monkeypatch: pytest.MonkeyPatch) -> None:
    """Redis is configured, and nobody listens there."""
    monkeypatch.setattr(Conf, "REDIS", {"host": "127.0.0.1", "port": 9})
    monkeypatch.setattr("portal.core.queue._broker", lambda: Redis("nobody"))


def test_what_was_stored_stands_though_the_broker_is_away(
    cast: Cast, broker_away: None, caplog: pytest.LogCaptureFixture
) -> None:
    """The person is not shown a failure for something that will be done: the sweep asks again."""
    after = []
    with transaction.atomic():
        notice = Notice.objects.create(
            organization=cast.ada.organization, to=cast.ada.user, key="k", subject="s", words="w"
        )
        queue.enqueue("portal.notices.tasks.send", notice.pk)
        transaction.on_commit(lambda: after.append("the rest goes on"))
    assert Notice.objects.filter(pk=notice.pk).exists()
    assert after == ["the rest goes on"]
    assert "the sweep asks again" in caplog.text
