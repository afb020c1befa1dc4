"""Something happens between Greenhouse's answer and what the portal makes of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from django.db.models.signals import post_save

from portal.connections.models import ApiCall


@contextmanager
def when_greenhouse_has_answered(
    do: Callable[[], object], *, path: str = "", when: Callable[[ApiCall], bool] | None = None
) -> Iterator[None]:
    """Do it once, after the first answer, or the first of this path, and before anything else;
    `when` tells more closely which answer is meant.
    """
    left = [do]

    def answered(instance: ApiCall, **_: Any) -> None:
        meant = instance.path.startswith(path) and (when is None or when(instance))
        if left and meant:
            left.pop()()

    post_save.connect(answered, sender=ApiCall)
    try:
        yield
    finally:
        post_save.disconnect(answered, sender=ApiCall)
    assert not left, f"Greenhouse was never asked for {path or 'anything'}"
