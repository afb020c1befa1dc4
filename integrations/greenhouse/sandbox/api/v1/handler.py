"""Harvest v1: key, rate limit, route, permission, then the record.

Authentication before routing is measured; permission before the record is inferred.
"""

from __future__ import annotations

from collections.abc import Callable

from integrations.greenhouse.sandbox.api.v1.reads import READ_HANDLERS, RequestContext
from integrations.greenhouse.sandbox.api.v1.writes import is_get_with_body, run_write
from integrations.greenhouse.sandbox.auth.credentials import ApiKey, Credentials
from integrations.greenhouse.sandbox.auth.permissions import V1_ROUTE_PERMISSIONS
from integrations.greenhouse.sandbox.auth.tokens import parse_basic_auth
from integrations.greenhouse.sandbox.dataset.dataset import Dataset
from integrations.greenhouse.sandbox.http_server.messages import (
    HttpError,
    Request,
    Response,
    not_found_error,
)
from integrations.greenhouse.sandbox.http_server.rate_limiter import FixedWindowRateLimiter
from integrations.greenhouse.sandbox.http_server.routing import Router
from integrations.greenhouse.sandbox.settings import Settings

FORBIDDEN_BODY = {"message": "This API Key does not have permission for this endpoint"}


class HarvestV1Handler:
    def __init__(
        self,
        settings: Settings,
        credentials: Credentials,
        rate_limiter: FixedWindowRateLimiter,
        get_dataset: Callable[[str], Dataset],
    ) -> None:
        self._settings = settings
        self._credentials = credentials
        self._rate_limiter = rate_limiter
        self._get_dataset = get_dataset
        self._router = Router(V1_ROUTE_PERMISSIONS)

    def answer_request(self, request: Request) -> Response:
        key = self._authenticate_key(request)
        limit = self._rate_limiter.count_request(key.secret)
        try:
            if not limit.allowed:
                raise HttpError(429, {"message": "Rate limit exceeded"})
            response = self._answer_route(request, key)
        except HttpError as error:
            response = error.response
        response.headers.update(limit.build_headers(with_reset=False))
        return response

    def _authenticate_key(self, request: Request) -> ApiKey:
        basic_auth = parse_basic_auth(request)
        key = self._credentials.keys.get(basic_auth[0]) if basic_auth else None
        if key is None:
            raise HttpError(401, {"message": "Invalid Basic Auth credentials"})
        request.credential = key.label
        return key

    def _answer_route(self, request: Request, key: ApiKey) -> Response:
        route = self._router.find_route(request.method, request.path)
        if route is None:
            raise not_found_error()
        template, ids = route
        method = "GET" if request.method == "HEAD" else request.method
        if V1_ROUTE_PERMISSIONS[method, template] not in key.permissions:
            raise HttpError(403, FORBIDDEN_BODY)
        if is_get_with_body(request):
            # Documented: 403. Message inferred.
            raise HttpError(403, {"message": "GET requests must not have a body"})
        context = RequestContext(self._get_dataset(key.account), request, self._settings)
        if method == "GET":
            response: Response = READ_HANDLERS[template](context, *ids)
            return response
        return run_write(context, template, ids[0])
