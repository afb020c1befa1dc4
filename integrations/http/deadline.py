"""A total deadline for one HTTP exchange. httpx's own timeouts apply to each read, so a server that
sends a few bytes at a time could hold its caller for as long as it likes.
"""

from __future__ import annotations

import math
import socket
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import httpcore

_MAX_WRITE_BYTES = 64 * 1024  # per timeout

_ends_at: ContextVar[float] = ContextVar("deadline", default=math.inf)


@contextmanager
def limit_total_time(seconds: float) -> Iterator[None]:
    """Limit what is done with a `DeadlineBackend` in this block."""
    token = _ends_at.set(min(_ends_at.get(), time.monotonic() + seconds))
    try:
        yield
    finally:
        _ends_at.reset(token)


class DeadlineBackend(httpcore.NetworkBackend):
    """Shortens every timeout to what is left of the deadline."""

    def __init__(self) -> None:
        self._backend = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        options = list(socket_options or ())
        error: Exception = httpcore.ConnectTimeout("the deadline has passed")
        for address in self.resolve_host(host, port):
            remaining = _limit_timeout(timeout, httpcore.ConnectTimeout)
            try:
                stream = self._backend.connect_tcp(address, port, remaining, local_address, options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as exc:
                error = exc
            else:
                return _DeadlineStream(stream)
        raise error

    def resolve_host(self, host: str, port: int) -> list[str]:
        if math.isinf(_ends_at.get()):  # each address may have the whole timeout
            return [host]
        return resolve_addresses(host, port)

    def connect_unix_socket(self, *args: Any, **kwargs: Any) -> httpcore.NetworkStream:
        return self._backend.connect_unix_socket(*args, **kwargs)

    def sleep(self, seconds: float) -> None:
        self._backend.sleep(seconds)


class _DeadlineStream(httpcore.NetworkStream):
    def __init__(self, stream: httpcore.NetworkStream) -> None:
        self._stream = stream

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._stream.read(max_bytes, _limit_timeout(timeout, httpcore.ReadTimeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        for start in range(0, len(buffer), _MAX_WRITE_BYTES):
            piece = buffer[start : start + _MAX_WRITE_BYTES]
            self._stream.write(piece, _limit_timeout(timeout, httpcore.WriteTimeout))

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self, ssl_context: Any, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        remaining = _limit_timeout(timeout, httpcore.ConnectTimeout)
        return _DeadlineStream(self._stream.start_tls(ssl_context, server_hostname, remaining))

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


def resolve_addresses(host: str, port: int) -> list[str]:
    """Raises httpcore.ConnectError."""
    try:
        addresses = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise httpcore.ConnectError(str(error)) from error
    return [str(info[4][0]) for info in addresses]


def get_remaining_seconds() -> float:
    return _ends_at.get() - time.monotonic()


def _limit_timeout(timeout: float | None, error: type[Exception]) -> float | None:
    remaining = get_remaining_seconds()
    if remaining <= 0:
        raise error("the deadline has passed")
    limited = min(remaining, math.inf if timeout is None else timeout)
    return None if math.isinf(limited) else limited
