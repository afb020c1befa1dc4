"""One request over HTTP: timeouts per phase, no redirects, a bounded body, three ways to fail."""

from __future__ import annotations

import functools
import math
import os
import time
from collections.abc import Mapping
from http.cookiejar import CookieJar, DefaultCookiePolicy

import httpx

LARGEST_BODY = 64 * 1024 * 1024  # bytes, decoded; 500 candidates are about 5 MB
TIMEOUTS = httpx.Timeout(connect=5.0, read=30.0, write=10.0, pool=5.0)
_USER_AGENT = "inbound-talent-portal"


@functools.cache
def _client() -> httpx.Client:
    """The connections of this process, kept from one provider to the next: a click does not wait
    for a handshake, and whom we trust is read from disk once.

    No longer than servers keep them (a minute is usual): a write into a closed one may be lost.
    Cookies are not kept at all, since customers share the connections.
    """
    return httpx.Client(
        follow_redirects=False,
        headers={"User-Agent": _USER_AGENT, "Accept": "application/json"},
        limits=httpx.Limits(max_connections=100, keepalive_expiry=15.0),
        cookies=CookieJar(DefaultCookiePolicy(allowed_domains=())),
    )


# A forked process must not speak on its parent's connections.
os.register_at_fork(after_in_child=_client.cache_clear)


class NotSent(Exception):
    """The request certainly did not arrive: no connection could be made."""


class AnswerLost(Exception):
    """The request was sent, or partly sent; what became of it is unknown."""


class TooLarge(Exception):
    """The answer has more bytes than any honest one."""


class Answer:
    """What came back: status, headers (case-insensitive) and the whole body."""

    __slots__ = ("body", "headers", "status")

    def __init__(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
        self.status, self.headers, self.body = status, headers, body

    @property
    def ok(self) -> bool:
        """Whether the status is 2xx."""
        return 200 <= self.status < 300


class Http:
    """Requests with these bounds, on the connections of this process."""

    def __init__(
        self, *, timeouts: httpx.Timeout = TIMEOUTS, largest_body: int = LARGEST_BODY
    ) -> None:
        self._largest = largest_body
        self._longest = 2 * (timeouts.read or 30.0)
        self._phases = timeouts.as_dict()

    def send(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str],
        content: bytes | None = None,
        patience: float = math.inf,
    ) -> Answer:
        """Send one request and read its whole answer. Raises NotSent, AnswerLost or TooLarge.

        No phase waits longer than `patience` seconds: somebody may be sitting in front of it.
        """
        try:
            with _client().stream(
                method,
                url,
                headers=dict(headers),
                content=content,
                timeout=self._within(patience),
            ) as reply:
                return Answer(reply.status_code, reply.headers, self._body(reply))
        except (
            httpx.ConnectError,
            httpx.ConnectTimeout,
            httpx.PoolTimeout,
            httpx.ProxyError,
            httpx.UnsupportedProtocol,
            httpx.InvalidURL,
        ) as error:
            raise NotSent(type(error).__name__) from error
        except httpx.HTTPError as error:
            raise AnswerLost(type(error).__name__) from error

    def _within(self, patience: float) -> httpx.Timeout:
        least = max(0.1, patience)
        return httpx.Timeout(
            **{name: min(least, phase or least) for name, phase in self._phases.items()}
        )

    def _body(self, reply: httpx.Response) -> bytes:
        pieces, size, end = [], 0, time.monotonic() + self._longest
        for piece in reply.iter_bytes():
            size += len(piece)
            if size > self._largest:
                raise TooLarge(f"more than {self._largest} bytes")
            if time.monotonic() > end:
                raise AnswerLost("the answer took too long to arrive")
            pieces.append(piece)
        return b"".join(pieces)
