"""What was asked of the sandbox, for tests and for ``GET /__requests``."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from typing import Any

from .http import Request


@dataclass(frozen=True)
class Entry:
    """One request and how it ended. ``status`` 0: the connection was dropped."""

    time: str
    method: str
    path: str
    query: str
    credential: str
    acting_user: int | None
    status: int
    milliseconds: float
    request_id: str


class RequestLog:
    """The last requests, oldest first; control requests are not among them."""

    def __init__(self, most: int = 20_000) -> None:
        self._entries: deque[Entry] = deque(maxlen=most)

    def note(self, request: Request, status: int, time: str, milliseconds: float) -> None:
        """Remember one request."""
        self._entries.append(
            Entry(
                time,
                request.method,
                request.path,
                request.query_text,
                request.credential,
                request.acting_user,
                status,
                round(milliseconds, 2),
                request.request_id,
            )
        )

    def extend(self, entries: Iterable[Entry]) -> None:
        """Remember these, too."""
        self._entries.extend(entries)

    def __len__(self) -> int:
        return len(self._entries)

    def __iter__(self) -> Iterator[Entry]:
        return iter(list(self._entries))

    def __getitem__(self, place: int) -> Entry:
        return self._entries[place]

    def of(self, path: str, method: str | None = None) -> list[Entry]:
        """Give the entries of a path, or of everything below it."""
        return [
            entry
            for entry in self
            if entry.path.startswith(path) and method in (None, entry.method)
        ]

    def clear(self) -> None:
        """Forget all."""
        self._entries.clear()

    def plain(self) -> list[dict[str, Any]]:
        """Give all as plain data."""
        return [asdict(entry) for entry in self]
