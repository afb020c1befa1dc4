"""The state file, from which a restarted sandbox resumes."""

from __future__ import annotations

import contextlib
import os
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from integrations.greenhouse.sandbox.http_server.messages import encode_json


class StateFileError(ValueError):
    pass


class StateFile:
    """Writes snapshots to a file, shortly after changes and when stopped."""

    def __init__(self, path: Path, snapshot: Callable[[], bytes], delay: float = 0.5) -> None:
        self._path = path
        self._snapshot = snapshot
        self._delay = delay
        self._dirty = threading.Event()
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None

    def load_saved_state(self) -> dict[str, Any] | None:
        """Return the saved state, or None if there is no file. Raises StateFileError."""
        if not self._path.exists():
            return None
        try:
            state = msgspec.json.decode(self._path.read_bytes())
        except (msgspec.DecodeError, OSError) as error:
            raise StateFileError(f"The state file {self._path} cannot be read: {error}") from error
        if not isinstance(state, dict) or "worlds" not in state:
            raise StateFileError(f"The state file {self._path} is not one of this sandbox.")
        return state

    def start_saving(self) -> None:
        self._thread = threading.Thread(target=self._save_changes, name="state", daemon=True)
        self._thread.start()

    def mark_changed(self) -> None:
        self._dirty.set()

    def stop_saving(self) -> None:
        self._stopped.set()
        self._dirty.set()
        if self._thread:
            self._thread.join(timeout=30)
            self._thread = None
        self.save()

    def save(self) -> None:
        """Write the file atomically."""
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

    def _save_changes(self) -> None:
        while not self._stopped.is_set():
            self._dirty.wait()
            if self._stopped.wait(self._delay):
                return
            self._dirty.clear()
            self.save()


def encode_state(state: dict[str, Any]) -> bytes:
    return encode_json(state)
