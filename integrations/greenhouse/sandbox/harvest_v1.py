"""Harvest v1, door to door: key, rate window, route, permission, then the record.

Auth before routing is measured; permission before the record is inferred.
"""

from __future__ import annotations

from collections.abc import Callable

from .credentials import Credentials, Key
from .http import Answer, Request, Response, not_found
from .permissions import V1_ROUTES
from .ratelimit import Windows
from .reads_v1 import READS, Call
from .routing import Router
from .settings import Settings
from .tokens import basic
from .world import World
from .writes_v1 import is_get_with_body, write

FORBIDDEN = {"message": "This API Key does not have permission for this endpoint"}


class HarvestV1:
    """Answers everything under ``/v1`` and ``/v2``."""

    def __init__(
        self,
        settings: Settings,
        credentials: Credentials,
        windows: Windows,
        world: Callable[[str], World],
    ) -> None:
        self._settings = settings
        self._credentials = credentials
        self._windows = windows
        self._world = world
        self._router = Router(V1_ROUTES)

    def answer(self, request: Request) -> Response:
        """Answer one request."""
        key = self._key(request)
        verdict = self._windows.take(key.secret)
        try:
            if not verdict.allowed:
                raise Answer(429, {"message": "Rate limit exceeded"})
            response = self._routed(request, key)
        except Answer as answer:
            response = answer.response
        response.headers.update(verdict.headers(with_reset=False))
        return response

    def _key(self, request: Request) -> Key:
        pair = basic(request)
        key = self._credentials.keys.get(pair[0]) if pair else None
        if key is None:
            raise Answer(401, {"message": "Invalid Basic Auth credentials"})
        request.credential = key.label
        return key

    def _routed(self, request: Request, key: Key) -> Response:
        route = self._router.find(request.method, request.path)
        if route is None:
            raise not_found()
        template, numbers = route
        method = "GET" if request.method == "HEAD" else request.method
        if V1_ROUTES[method, template] not in key.permissions:
            raise Answer(403, FORBIDDEN)
        if is_get_with_body(request):
            # Documented: 403. Words inferred.
            raise Answer(403, {"message": "GET requests must not have a body"})
        call = Call(self._world(key.account), request, self._settings)
        if method == "GET":
            response: Response = READS[template](call, *numbers)
            return response
        return write(call, template, numbers[0])
