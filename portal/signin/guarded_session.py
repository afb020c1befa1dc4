"""The HTTP session of allauth, for sign-in services whose addresses customers choose."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import requests
from django.conf import settings
from requests.adapters import HTTPAdapter

from integrations.http.guarded_client import GuardedClient, RequestRefused


class GuardedRequestFailed(requests.RequestException):
    """`message` is a sentence."""

    def __init__(self, message: str) -> None:
        self.message = message
        super().__init__(message)


class GuardedAdapter(HTTPAdapter):
    """Sends with the guarded client, whatever proxies and timeouts the caller names."""

    def __init__(self) -> None:
        super().__init__()
        self._client = GuardedClient(allow_local=settings.SINGLE_SIGN_ON_LOCAL_ADDRESSES)

    def send(
        self,
        request: requests.PreparedRequest,
        stream: bool = False,
        timeout: Any = None,
        verify: bool | str = True,
        cert: Any = None,
        proxies: Mapping[str, str] | None = None,
    ) -> requests.Response:
        body: Any = request.body
        try:
            reply = self._client.send(
                str(request.method),
                str(request.url),
                headers={name: str(value) for name, value in request.headers.items()},
                content=body.encode() if isinstance(body, str) else body,
            )
        except RequestRefused as refusal:
            raise GuardedRequestFailed(refusal.message) from refusal
        response = requests.Response()
        response.status_code = reply.status
        response.headers.update(reply.headers)
        response._content = reply.body
        response.url, response.request = str(request.url), request
        response.encoding = "utf-8"
        return response


def build_session() -> requests.Session:
    session = requests.Session()
    session.trust_env = False  # also keeps .netrc from adding credentials
    for prefix in ("https://", "http://"):
        session.mount(prefix, GuardedAdapter())
    return session
