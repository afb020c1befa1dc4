"""The door to the queue, when the broker behind it is away."""

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


def test_a_task_that_is_not_signed_by_us_is_never_read(transactional_db: None) -> None:
    """A task is a pickle, which runs code when it is read: the signature is looked at before."""

    class Trap:
        def __reduce__(self) -> tuple[object, ...]:
            return (pytest.fail, ("it was read",))

    forged = signing.dumps(
        {"id": "1", "task": Trap()}, key="not-our-key", salt=Conf.PREFIX,
        serializer=PickleSerializer,
    )  # fmt: skip
    with pytest.raises(BadSignature):
        SignedPackage.loads(forged)
    assert SignedPackage.loads(SignedPackage.dumps({"id": "1"})) == {"id": "1"}
