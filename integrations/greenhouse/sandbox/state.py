"""The state file: a sandbox that is started again goes on where it ended."""

from __future__ import annotations

import contextlib
import os
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from .http import encode


class BadState(ValueError):
    """The state file cannot be read."""


class StateFile:
    """Keeps what ``snapshot`` gives in a file: soon after changes, and when stopped."""

    def __init__(self, path: Path, snapshot: Callable[[], bytes], delay: float = 0.5) -> None:
        self._path = path
        self._snapshot = snapshot
        self._delay = delay
        self._dirty = threading.Event()
        self._over = threading.Event()
        self._thread: threading.Thread | None = None

    def load(self) -> dict[str, Any] | None:
        """Give what was saved, or None when there is no file."""
        if not self._path.exists():
            return None
        try:
            state = msgspec.json.decode(self._path.read_bytes())
        except (msgspec.DecodeError, OSError) as error:
            raise BadState(f"The state file {self._path} cannot be read: {error}") from error
        if not isinstance(state, dict) or "worlds" not in state:
            raise BadState(f"The state file {self._path} is not one of this sandbox.")
        return state

    def start(self) -> None:
        """Begin to save after changes."""
        self._thread = threading.Thread(target=self._run, name="state", daemon=True)
        self._thread.start()

    def touch(self) -> None:
        """Say that something changed."""
        self._dirty.set()

    def stop(self) -> None:
        """Save for the last time."""
        self._over.set()
        self._dirty.set()
        if self._thread:
            self._thread.join(timeout=30)
            self._thread = None
        self.save()

    def save(self) -> None:
        """Write the file whole or not at all."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=self._path.parent, prefix=self._path.name)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(self._snapshot())
            os.replace(name, self._path)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(name)
            raise

    def _run(self) -> None:
        while not self._over.is_set():
            self._dirty.wait()
            if self._over.wait(self._delay):
                return
            self._dirty.clear()
            self.save()


def pack(state: dict[str, Any]) -> bytes:
    """Give the bytes of a state."""
    return encode(state)
