"""HTTP for addresses that customers choose.

Only public hosts are reached, over HTTPS, without redirects, proxies or cookies, and within limits
of time and size. A host is resolved once: the addresses that were checked are the ones connected
to, so a name that resolves differently a moment later (DNS rebinding) gains nothing.
"""

from __future__ import annotations

import os
import queue
import threading
from collections.abc import Mapping
from functools import cache, partial

import httpcore
import httpx

from integrations.http.client import (
    REDIRECT_STATUSES,
    HttpClient,
    HttpResponse,
    RequestNotSent,
    ResponseLost,
    ResponseTooLarge,
    UnexpectedEncoding,
    build_shared_client,
)
from integrations.http.deadline import (
    DeadlineBackend,
    get_remaining_seconds,
    resolve_addresses,
)
from integrations.http.public_addresses import is_loopback, is_public

MAX_BODY_BYTES = 256 * 1024  # decoded
MAX_SECONDS = 5.0  # for one request, from resolving the name to the end of the body


class RequestRefused(Exception):
    """The request failed or was not made; `message` is a sentence for whoever chose the host."""

    def __init__(self, message: str) -> None:
        self.message = message
        super().__init__(message)


class GuardedClient:
    def __init__(
        self,
        *,
        allow_local: bool = False,
        max_body_bytes: int = MAX_BODY_BYTES,
        max_seconds: float = MAX_SECONDS,
    ) -> None:
        self._allow_local = allow_local
        self._max_seconds = max_seconds
        self._client = HttpClient(
            max_body_bytes=max_body_bytes, get_client=partial(get_public_client, allow_local)
        )

    def send(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        content: bytes | None = None,
    ) -> HttpResponse:
        """Raises RequestRefused."""
        host = check_url(url, allow_local=self._allow_local)
        try:
            response = self._client.send(
                method, url, headers=headers or {}, content=content, max_total=self._max_seconds
            )
        except UnexpectedEncoding as error:
            raise RequestRefused(f"{host} sent a response that can't be read.") from error
        except ResponseTooLarge as error:
            raise RequestRefused(f"{host} sent a response that is too large.") from error
        except (RequestNotSent, ResponseLost) as error:
            if isinstance(error.__cause__, httpx.TimeoutException):
                raise RequestRefused(f"{host} took too long to respond.") from error
            raise RequestRefused(f"Couldn't reach {host}.") from error
        if response.status in REDIRECT_STATUSES:
            raise RequestRefused(f"{host} redirects to another address.")
        return response


def check_url(url: str, *, allow_local: bool = False) -> str:
    """Return the host. Raises RequestRefused."""
    try:
        parsed = httpx.URL(url)
    except (httpx.InvalidURL, TypeError) as error:
        raise RequestRefused("Enter an address that starts with https://.") from error
    schemes = {"https", "http"} if allow_local else {"https"}
    if parsed.scheme not in schemes or not parsed.host or parsed.userinfo:
        raise RequestRefused("Enter an address that starts with https://.")
    return parsed.host


class PublicBackend(DeadlineBackend):
    """Connects to the addresses it has checked, and never resolves a name twice."""

    def __init__(self, *, allow_local: bool) -> None:
        super().__init__()
        self._allow_local = allow_local

    def resolve_host(self, host: str, port: int) -> list[str]:
        addresses = _resolve_in_time(host, port)
        if not all(self._is_allowed(address) for address in addresses):
            raise RequestRefused(f"{host} isn't on the public internet.")
        return addresses

    def _is_allowed(self, address: str) -> bool:
        return is_public(address) or (self._allow_local and is_loopback(address))


@cache
def get_public_client(allow_local: bool) -> httpx.Client:
    limits = httpx.Limits(max_connections=20, max_keepalive_connections=0)
    return build_shared_client(
        PublicBackend(allow_local=allow_local), uses_proxy=False, limits=limits
    )


# A forked process must not use its parent's connections.
os.register_at_fork(after_in_child=get_public_client.cache_clear)


def _resolve_in_time(host: str, port: int) -> list[str]:
    """Resolve in a thread: a slow name server must not outlast the deadline."""
    results: queue.SimpleQueue[list[str] | Exception] = queue.SimpleQueue()

    def resolve() -> None:
        try:
            results.put(resolve_addresses(host, port))
        except (httpcore.ConnectError, ValueError) as error:  # raised in the caller's thread
            results.put(error)

    threading.Thread(target=resolve, name="resolve-host", daemon=True).start()
    try:
        result = results.get(timeout=max(0.0, get_remaining_seconds()))
    except queue.Empty:
        raise httpcore.ConnectTimeout("the name was not resolved in time") from None
    if isinstance(result, Exception):
        raise result
    return result
