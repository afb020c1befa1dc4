"""The task queue when its broker is unreachable, and the signature of tasks."""

from __future__ import annotations

import pytest
from django.db import transaction
from django_q import core_signing as signing
from django_q.brokers.redis_broker import Redis
from django_q.conf import Conf
from django_q.signing import BadSignature, PickleSerializer, SignedPackage
from redis.backoff import NoBackoff
from redis.retry import Retry

from portal.core import queue
from portal.notifications.models import Notification
from tests.personas import Personas


@pytest.fixture
def broker_away(monkeypatch: pytest.MonkeyPatch) -> None:
    """Redis is configured but unreachable."""
    no_retry = Retry(NoBackoff(), 0)
    monkeypatch.setattr(Conf, "REDIS", {"host": "127.0.0.1", "port": 9, "retry": no_retry})
    monkeypatch.setattr("portal.core.queue._get_broker", lambda: Redis("nobody"))


def test_enqueue_survives_unreachable_broker(
    personas: Personas, broker_away: None, caplog: pytest.LogCaptureFixture
) -> None:
    """The request succeeds, because a sweep enqueues the task again."""
    after = []
    with transaction.atomic():
        notice = Notification.objects.create(
            organization=personas.ada.organization,
            recipient=personas.ada.user,
            key="k",
            subject="s",
            body="w",
        )
        queue.enqueue_task("portal.notifications.tasks.send_notification", notice.pk)
        transaction.on_commit(lambda: after.append("later callback"))
    assert Notification.objects.filter(pk=notice.pk).exists()
    assert after == ["later callback"]
    assert "the sweep asks again" in caplog.text


def test_unsigned_task_is_never_unpickled(transactional_db: None) -> None:
    """Unpickling can run code, so the signature is verified first."""

    class Trap:
        def __reduce__(self) -> tuple[object, ...]:
            return (pytest.fail, ("it was unpickled",))

    forged = signing.dumps(
        {"id": "1", "task": Trap()}, key="not-our-key", salt=Conf.PREFIX,
        serializer=PickleSerializer,
    )  # fmt: skip
    with pytest.raises(BadSignature):
        SignedPackage.loads(forged)
    assert SignedPackage.loads(SignedPackage.dumps({"id": "1"})) == {"id": "1"}
