"""The sandbox without its socket: request routing, faults and the request log."""

from __future__ import annotations

import hashlib
import logging
import time
from typing import Any

from integrations.greenhouse.sandbox.api.pagination import CursorSigner
from integrations.greenhouse.sandbox.api.v1.handler import HarvestV1Handler
from integrations.greenhouse.sandbox.api.v3.handler import HarvestV3Handler
from integrations.greenhouse.sandbox.auth import identity_provider
from integrations.greenhouse.sandbox.auth.consent_page import ConsentPage
from integrations.greenhouse.sandbox.auth.tokens import parse_basic_auth
from integrations.greenhouse.sandbox.clock import Clock, format_timestamp
from integrations.greenhouse.sandbox.control_api import endpoints, home_page
from integrations.greenhouse.sandbox.dataset.file_links import FILES_PATH, read_linked_file
from integrations.greenhouse.sandbox.http_server.faults import Fault
from integrations.greenhouse.sandbox.http_server.messages import (
    HttpError,
    Request,
    Response,
    not_found_error,
)
from integrations.greenhouse.sandbox.http_server.rate_limiter import FixedWindowRateLimiter
from integrations.greenhouse.sandbox.settings import Settings
from integrations.greenhouse.sandbox.state import SandboxState

logger = logging.getLogger("greenhouse.sandbox")


class ConnectionDropped(Exception):
    """The connection must be closed without a response."""


class App(SandboxState):
    """Answers requests. Delays happen outside the lock."""

    def __init__(self, settings: Settings, clock: Clock) -> None:
        self._serial = 0
        super().__init__(settings, clock)

    def _create_components(self) -> None:
        super()._create_components()
        settings, clock = self.settings, self.clock
        self._consent_page = ConsentPage(self.consents, self.datasets)
        self._identity_provider = identity_provider.IdentityProvider(self.datasets)
        self._token_rate_limiter = FixedWindowRateLimiter(clock, 60, settings.token_limit)
        cursors = CursorSigner(self.secret, settings.cursor_lifetime)
        v1_rate_limiter = FixedWindowRateLimiter(clock, 10, settings.v1_limit)
        v3_rate_limiter = FixedWindowRateLimiter(clock, 30, settings.v3_limit)
        self._v1 = HarvestV1Handler(settings, self.credentials, v1_rate_limiter, self.dataset)
        self._v3 = HarvestV3Handler(settings, self.tokens, v3_rate_limiter, self.dataset, cursors)

    def handle(self, request: Request) -> Response:
        """Answer a request. Raises :class:`ConnectionDropped` if a fault drops it."""
        started = time.perf_counter()
        self._serial += 1
        digest = hashlib.sha256(f"{self._serial} {request.path}".encode()).hexdigest()
        request.request_id = request.headers.get("x-request-id") or digest[:32]
        if request.path.startswith("/__"):
            return _add_request_id(
                self._run_guarded(request, endpoints.answer_control_request, self), request
            )
        try:
            response = self._with_faults(request)
        except ConnectionDropped:
            self._log_request(request, 0, started)
            raise
        self._log_request(request, response.status, started)
        return _add_request_id(response, request)

    def _log_request(self, request: Request, status: int, started: float) -> None:
        elapsed = (time.perf_counter() - started) * 1000
        self.requests.log_request(request, status, format_timestamp(self.clock()), elapsed)

    def _with_faults(self, request: Request) -> Response:
        credential, request.account = self._identify_caller(request)
        matching = self.faults.take_matching(request, credential)
        wait = self.settings.latency_ms + sum(
            fault.latency_ms for fault in matching if fault.kind != "drip"
        )
        if wait:
            time.sleep(wait / 1000)
        fault = next((fault for fault in matching if fault.kind != "latency"), None)
        if fault is None:
            return self._run_guarded(request, App._route_request, self)
        return self._answer_with_fault(request, fault, credential)

    def _answer_with_fault(self, request: Request, fault: Fault, credential: str) -> Response:
        if fault.kind == "drop_before":
            raise ConnectionDropped
        if fault.kind in ("status", "html"):
            return fault.build_response(self.clock().timestamp())
        if fault.kind == "token_expired":
            self.tokens.expire_all()
        if fault.kind == "permission_removed":
            holder = self.credentials.find_credential(credential) or self.consents.partners.get(
                credential
            )
            if holder:
                holder.remove_permissions(fault.permissions)
        response = self._run_guarded(request, App._route_request, self)
        if fault.kind == "drop_after":
            raise ConnectionDropped
        if fault.kind == "truncated_json":
            response.body = response.body[: len(response.body) // 2]
        if fault.kind == "drip":
            response.seconds_per_byte = fault.latency_ms / 1000 or 1.0
        return response

    def _run_guarded(self, request: Request, handler: Any, *args: Any) -> Response:
        try:
            response: Response = handler(*args, request)
        except HttpError as error:
            return error.response
        except Exception:
            logger.exception("The sandbox failed on %s %s", request.method, request.path)
            return HttpError(500, {"message": "Internal Server Error"}).response
        return response

    def _route_request(self, request: Request) -> Response:
        with self.lock:
            path = request.path
            if path.startswith(("/v1/", "/v2/")) or path in ("/v1", "/v2"):
                return self._v1.answer_request(request)
            if path.startswith("/v3/"):
                return self._v3.answer_request(request)
            if path in ("/token", "/introspect", "/revoke") and request.method == "POST":
                return self._answer_auth(request)
            if path == "/authorize" and request.method in ("GET", "POST"):
                return self._consent_page.answer_request(request)
            if path.startswith(f"{identity_provider.PATH}/"):
                return self._identity_provider.answer_request(request)
            if path.startswith(f"{FILES_PATH}/") and request.method in ("GET", "HEAD"):
                return self._answer_file(request)
            if path == "/" and request.method == "GET":
                return home_page.render_home_page(self)
            raise not_found_error()

    def _answer_file(self, request: Request) -> Response:
        """As a file store does: the link is the only key, and the type is no help."""
        opened = read_linked_file(self.datasets, request.path, request.query)
        if opened is None:
            raise HttpError(403, {"message": "Access denied"})
        return Response(200, opened, {}, "binary/octet-stream")

    def _answer_auth(self, request: Request) -> Response:
        if request.path == "/introspect":
            if not self.settings.introspection:
                raise not_found_error()
            return self.tokens.answer_introspection(request)
        if request.path == "/revoke":
            if not self.settings.revocation:
                raise not_found_error()
            return self.tokens.answer_revocation(request)
        basic_auth = parse_basic_auth(request)
        name = basic_auth[0] if basic_auth else ""
        if name not in self.credentials.clients and name not in self.consents.partners:
            return self.tokens.answer_token_request(request, self._has_user)
        limit = self._token_rate_limiter.count_request(name)
        try:
            if not limit.allowed:
                raise HttpError(429, {"message": "Rate limit exceeded"})
            response = self.tokens.answer_token_request(request, self._has_user)
        except HttpError as error:
            response = error.response
        response.headers.update(limit.build_headers(with_reset=True))
        return response

    def _has_user(self, account: str, user_id: int) -> bool:
        return user_id in self.dataset(account).users.rows

    def _identify_caller(self, request: Request) -> tuple[str, str]:
        """Return names of the credential, which need not be valid, and of its account."""
        consent = None
        if basic_auth := parse_basic_auth(request):
            name = basic_auth[0]
        else:
            token = request.headers.get("authorization", "").partition(" ")[2]
            claims = (self.tokens.decode_claims(token) if token else None) or {}
            name = str(claims.get("client_id", ""))
            consent = self.consents.rows.get(claims.get("consent", 0))
        holder = consent or self.credentials.find_credential(name)
        return name, holder.account if holder else ""


def _add_request_id(response: Response, request: Request) -> Response:
    response.headers["X-Request-Id"] = request.request_id
    return response
