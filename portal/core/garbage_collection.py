"""Python's collector of reference cycles, where many objects live briefly."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

# Of objects that hold others: about two pages of records with what belongs to them.
_BATCH_OBJECTS = 20_000


@contextmanager
def collect_garbage_rarely() -> Iterator[None]:
    """Search for cycles after many new objects only: what is read and written page by page has
    none, and each full search goes through all of the loaded code. Of the whole process.
    """
    thresholds = gc.get_threshold()
    gc.set_threshold(max(_BATCH_OBJECTS, thresholds[0]), *thresholds[1:])
    try:
        yield
    finally:
        gc.set_threshold(*thresholds)
