"""A number for each process that shares METRICS_DIR, locked while the process lives.

The next process takes the number of one that has ended and goes on in its file: counters never
fall, and files do not add up.
"""

from __future__ import annotations

import fcntl
import itertools
import os
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class _Slot:
    number: int
    lock: int  # file descriptor


_slot: _Slot | None = None


def claim_slot() -> int:
    global _slot
    if _slot is None:
        _slot = _lock_free_slot(Path(os.environ["PROMETHEUS_MULTIPROC_DIR"]))
    return _slot.number


def _lock_free_slot(folder: Path) -> _Slot:
    for number in itertools.count():
        lock = os.open(folder / f"{number}.lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
            continue
        # What its last process was doing is over.
        for file in folder.glob(f"gauge_live*_{number}.db"):
            file.unlink()
        return _Slot(number, lock)
    raise AssertionError("numbers never end")


def _forget_slot() -> None:
    """A forked process has its parent's lock, and needs its own."""
    global _slot
    if _slot is not None:
        os.close(_slot.lock)
        _slot = None


os.register_at_fork(after_in_child=_forget_slot)
