"""Downloads a file from an address that somebody else named.

Only HTTPS to public addresses is allowed, after each redirect anew. The address that was checked is
the one that is connected to, so a name can't change its meaning in between. Proxies from the
environment are not used: they would look the name up again.
"""

from __future__ import annotations

import time
from functools import partial
from urllib.parse import urljoin

import httpx

from integrations.http.client import REDIRECT_STATUSES, HttpClient, HttpResponse
from integrations.http.guarded_client import RequestRefused, get_public_client

MAX_REDIRECTS = 3


class AddressRefused(Exception):
    """The file is not at an address that may be asked."""


class FileDownloader:
    def __init__(self, *, max_bytes: int, trusted_url: str) -> None:
        """`trusted_url` comes from the deployment: its origin may be any address."""
        self._trusted_origin = _get_origin(trusted_url)
        self._trusted_client = HttpClient(max_body_bytes=max_bytes)
        self._public_client = HttpClient(
            max_body_bytes=max_bytes, get_client=partial(get_public_client, False)
        )

    def download_file(self, url: str, *, max_seconds: float) -> HttpResponse:
        """Raises AddressRefused, RequestNotSent, ResponseLost or ResponseTooLarge."""
        ends_at = time.monotonic() + max_seconds
        for _ in range(MAX_REDIRECTS + 1):
            response = self._request_file(url, ends_at - time.monotonic())
            if response.status not in REDIRECT_STATUSES:
                return response
            url = urljoin(url, response.headers.get("location", ""))
        raise AddressRefused("too many redirects")

    def _request_file(self, url: str, max_seconds: float) -> HttpResponse:
        headers = {"Accept": "*/*", "Accept-Encoding": "identity"}
        try:
            return self._choose_client(url).send("GET", url, headers=headers, max_total=max_seconds)
        except RequestRefused as error:
            raise AddressRefused("not a public address") from error

    def _choose_client(self, url: str) -> HttpClient:
        origin = _get_origin(url)
        if origin == self._trusted_origin:
            return self._trusted_client
        scheme, _, port = origin
        if scheme != "https" or port != 443:
            raise AddressRefused("not an HTTPS address")
        return self._public_client


def _get_origin(url: str) -> tuple[str, str, int]:
    """Parsed as by the client that will ask."""
    try:
        parts = httpx.URL(url)
    except (httpx.InvalidURL, TypeError, ValueError) as error:
        raise AddressRefused("not an address") from error
    default_port = {"https": 443, "http": 80}.get(parts.scheme, 0)
    if parts.userinfo or not parts.host or not default_port:
        raise AddressRefused("not an address")
    return parts.scheme, parts.host, parts.port or default_port
