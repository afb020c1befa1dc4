from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connections


@contextmanager
def close_thread_connections(owner: int) -> Iterator[None]:
    """For threads Django does not manage: closes their connections, but not the `owner`'s."""
    try:
        yield
    finally:
        if threading.get_ident() != owner:
            connections.close_all()
