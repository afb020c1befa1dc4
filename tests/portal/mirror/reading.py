"""In the middle of a sync: something happens between Greenhouse's answer and what is written."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from django.db.models.signals import post_save

from portal.connections.models import ApiCall
from portal.mirror.models import SyncRun


@contextmanager
def when_a_sync_reads(path: str, do: Callable[[], object]) -> Iterator[None]:
    """Do it once, at the moment when Greenhouse has answered this and nothing is written yet."""
    left = [do]

    def answered(instance: ApiCall, **_: Any) -> None:
        syncing = SyncRun.objects.filter(status=SyncRun.Status.RUNNING).exists()
        if syncing and instance.path == path and left:
            left.pop()()

    post_save.connect(answered, sender=ApiCall)
    try:
        yield
    finally:
        post_save.disconnect(answered, sender=ApiCall)
    assert not left, f"{path} was never read"
