"""Log of API requests, for tests and ``GET /__requests``."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from integrations.greenhouse.sandbox.http_server.messages import Request


@dataclass(frozen=True)
class LoggedRequest:
    """A request and its outcome; ``status`` 0 means the connection was dropped."""

    time: str
    method: str
    path: str
    query: str
    account: str
    credential: str
    acting_user: int | None
    status: int
    milliseconds: float
    request_id: str


class RequestLog:
    """The latest requests, oldest first, without control requests."""

    def __init__(self, max_entries: int = 20_000) -> None:
        self.entries: deque[LoggedRequest] = deque(maxlen=max_entries)

    def log_request(self, request: Request, status: int, time: str, milliseconds: float) -> None:
        self.entries.append(
            LoggedRequest(
                time,
                request.method,
                request.path,
                request.query_text,
                request.account,
                request.credential,
                request.acting_user,
                status,
                round(milliseconds, 2),
                request.request_id,
            )
        )

    def __len__(self) -> int:
        return len(self.entries)

    def __iter__(self) -> Iterator[LoggedRequest]:
        return iter(list(self.entries))

    def __getitem__(self, index: int) -> LoggedRequest:
        return self.entries[index]

    def clear_entries(self) -> None:
        self.entries.clear()

    def to_dicts(self, account: str = "", method: str = "") -> list[dict[str, Any]]:
        return [
            asdict(entry)
            for entry in self
            if account in ("", entry.account) and method in ("", entry.method)
        ]
