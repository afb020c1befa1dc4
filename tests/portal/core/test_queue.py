"""The task queue when its broker is unreachable, and the signature of tasks."""

from __future__ import annotations

import pytest
from django.db import transaction
from django_q import core_signing as signing
from django_q.brokers.redis_broker import Redis
from django_q.conf import Conf
from django_q.signing import BadSignature, PickleSerializer, SignedPackage

from portal.core import queue
from portal.notices.models import Notice
from tests.cast import Cast


@pytest.fixture
def broker_away(monkeypatch: pytest.MonkeyPatch) -> None:
    """Redis is configured but unreachable."""
    monkeypatch.setattr(Conf, "REDIS", {"host": "127.0.0.1", "port": 9})
    monkeypatch.setattr("portal.core.queue._broker", lambda: Redis("nobody"))


def test_enqueue_survives_unreachable_broker(
    cast: Cast, broker_away: None, caplog: pytest.LogCaptureFixture
) -> None:
    """The request succeeds, because a sweep enqueues the task again."""
    after = []
    with transaction.atomic():
        notice = Notice.objects.create(
            organization=cast.ada.organization, to=cast.ada.user, key="k", subject="s", words="w"
        )
        queue.enqueue("portal.notices.tasks.send", notice.pk)
        transaction.on_commit(lambda: after.append("later callback"))
    assert Notice.objects.filter(pk=notice.pk).exists()
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
