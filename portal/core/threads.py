"""Database connections of threads that Django does not know of.

A provider asks several questions at once from threads of its own. A connection opened there would
stay open for good, since only the request's or task's thread is tidied up.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connections


@contextmanager
def tidied(owner: int) -> Iterator[None]:
    """Close this thread's database connections afterwards, unless it is the `owner`'s thread."""
    try:
        yield
    finally:
        if threading.get_ident() != owner:
            connections.close_all()
