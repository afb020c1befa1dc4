"""Something happens between Greenhouse's answer and what the portal makes of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from django.db.models.signals import post_save

from portal.connections.models import ApiCall


@contextmanager
def run_after_response(
    do: Callable[[], object], *, path: str = "", when: Callable[[ApiCall], bool] | None = None
) -> Iterator[None]:
    """Do it once, after the first answer, or the first of this path, and before anything else;
    `when` tells more closely which answer is meant.
    """
    pending = [do]

    def run_callback(instance: ApiCall, **_: Any) -> None:
        meant = instance.path.startswith(path) and (when is None or when(instance))
        if pending and meant:
            pending.pop()()

    post_save.connect(run_callback, sender=ApiCall)
    try:
        yield
    finally:
        post_save.disconnect(run_callback, sender=ApiCall)
    assert not pending, f"Greenhouse was never asked for {path or 'anything'}"
