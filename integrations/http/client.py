from __future__ import annotations

import functools
import math
import os
from codecs import BOM_UTF8
from collections.abc import Callable, Mapping
from contextlib import closing
from http.cookiejar import CookieJar, DefaultCookiePolicy

import httpcore
import httpx

from integrations.http.deadline import DeadlineBackend, limit_total_time

REDIRECT_STATUSES = {301, 302, 303, 307, 308}
_READABLE_ENCODINGS = {"", "identity", "gzip", "deflate"}
MAX_BODY_BYTES = 64 * 1024 * 1024  # bytes, decoded; 500 candidates are about 5 MB
DEFAULT_TIMEOUTS = httpx.Timeout(connect=5.0, read=30.0, write=10.0, pool=5.0)
_USER_AGENT = "inbound-talent-portal"
_LIMITS = httpx.Limits(max_connections=100, keepalive_expiry=15.0)


@functools.cache
def _get_client() -> httpx.Client:
    return build_shared_client(DeadlineBackend())


def build_shared_client(
    backend: httpcore.NetworkBackend, *, uses_proxy: bool = True, limits: httpx.Limits = _LIMITS
) -> httpx.Client:
    # Shared by all providers, so that clicks don't wait for handshakes. Servers usually close idle
    # connections after a minute, and a write into a closed one may be lost: expire them earlier.
    # No cookies, since customers share the connections.
    client = httpx.Client(
        follow_redirects=False,
        headers={
            "User-Agent": _USER_AGENT,
            "Accept": "application/json",
            # Or httpx asks for whatever the installed packages can unpack, which we then refuse.
            "Accept-Encoding": "gzip, deflate",
        },
        limits=limits,
        cookies=CookieJar(DefaultCookiePolicy(allowed_domains=())),
        trust_env=uses_proxy,
    )
    # httpx accepts no network backend, and a transport of our own would ignore HTTPS_PROXY.
    for transport in (client._transport, *client._mounts.values()):
        if isinstance(transport, httpx.HTTPTransport):
            transport._pool._network_backend = backend
    return client


# A forked process must not use its parent's connections.
os.register_at_fork(after_in_child=_get_client.cache_clear)


class RequestNotSent(Exception):
    """The request certainly didn't arrive: no connection was made."""


class ResponseLost(Exception):
    """The request was at least partly sent; its outcome is unknown."""


class ResponseTooLarge(Exception):
    pass


class UnexpectedEncoding(ResponseTooLarge):
    """Its size can't be limited while it is unpacked."""


class HttpResponse:
    __slots__ = ("body", "headers", "status")  # headers are case-insensitive

    def __init__(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
        self.status, self.headers, self.body = status, headers, body

    @property
    def ok(self) -> bool:
        return 200 <= self.status < 300


class HttpClient:
    def __init__(
        self,
        *,
        timeouts: httpx.Timeout = DEFAULT_TIMEOUTS,
        max_body_bytes: int = MAX_BODY_BYTES,
        get_client: Callable[[], httpx.Client] = _get_client,
    ) -> None:
        self._max_body_bytes, self._get_client = max_body_bytes, get_client
        self._max_body_seconds = 2 * (timeouts.read or 30.0)
        self._phase_timeouts = timeouts.as_dict()

    def send(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str],
        content: bytes | None = None,
        max_total: float = math.inf,
    ) -> HttpResponse:
        """Raises RequestNotSent, ResponseLost or ResponseTooLarge. `max_total` limits
        the seconds from connecting to the end of the body.
        """
        try:
            with (
                limit_total_time(max_total),
                closing(self._start_exchange(method, url, headers, content, max_total)) as reply,
                limit_total_time(self._max_body_seconds),
            ):
                return HttpResponse(reply.status_code, reply.headers, self._read_body(reply))
        except (
            httpx.ConnectError,
            httpx.ConnectTimeout,
            httpx.PoolTimeout,
            httpx.ProxyError,
            httpx.UnsupportedProtocol,
            httpx.InvalidURL,
        ) as error:
            raise RequestNotSent(type(error).__name__) from error
        except httpx.HTTPError as error:
            raise ResponseLost(type(error).__name__) from error

    def _start_exchange(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        content: bytes | None,
        max_total: float,
    ) -> httpx.Response:
        """Without the client's cookies, redirects and authentication, which take as long as the
        rest and are never used.
        """
        client = self._get_client()
        request = httpx.Request(
            method,
            url,
            headers={**client.headers, **{name.lower(): headers[name] for name in headers}},
            content=content,
            extensions={"timeout": self._build_timeout(max_total)},
        )
        return client._transport_for_url(request.url).handle_request(request)

    def _build_timeout(self, max_total: float) -> dict[str, float]:
        timeout = max(0.1, max_total)
        return {
            name: min(timeout, phase or timeout) for name, phase in self._phase_timeouts.items()
        }

    def _read_body(self, reply: httpx.Response) -> bytes:
        # One layer of compression cannot make a piece much larger than the limit; two can.
        if reply.headers.get("content-encoding", "").lower() not in _READABLE_ENCODINGS:
            raise UnexpectedEncoding("compressed in an unexpected way")
        pieces, size = [], 0
        for piece in reply.iter_bytes():
            size += len(piece)
            if size > self._max_body_bytes:
                raise ResponseTooLarge(f"more than {self._max_body_bytes} bytes")
            pieces.append(piece)
        return b"".join(pieces).removeprefix(BOM_UTF8)
