"""The sandbox without its socket: accounts, credentials and request routing."""

from __future__ import annotations

import hashlib
import logging
import threading
import time
from collections.abc import Callable
from typing import Any

from integrations.greenhouse.sandbox.actions.mutations import MUTATIONS
from integrations.greenhouse.sandbox.actions.record_lookup import find_user
from integrations.greenhouse.sandbox.api.pagination import CursorSigner
from integrations.greenhouse.sandbox.api.v1.handler import HarvestV1Handler
from integrations.greenhouse.sandbox.api.v3.handler import HarvestV3Handler
from integrations.greenhouse.sandbox.auth.consent_page import ConsentPage
from integrations.greenhouse.sandbox.auth.consents import ConsentStore
from integrations.greenhouse.sandbox.auth.credentials import Credentials
from integrations.greenhouse.sandbox.auth.tokens import TokenIssuer, parse_basic_auth
from integrations.greenhouse.sandbox.clock import Clock, format_timestamp
from integrations.greenhouse.sandbox.control_api import endpoints, home_page
from integrations.greenhouse.sandbox.dataset.dataset import Dataset
from integrations.greenhouse.sandbox.dataset.generation import personas
from integrations.greenhouse.sandbox.dataset.generation.account import (
    LATEST_TIME,
    DatasetSize,
    generate_account,
)
from integrations.greenhouse.sandbox.dataset.records import User
from integrations.greenhouse.sandbox.dataset.stats import count_records
from integrations.greenhouse.sandbox.http_server.faults import Fault, FaultInjector
from integrations.greenhouse.sandbox.http_server.messages import (
    HttpError,
    Request,
    Response,
    not_found_error,
)
from integrations.greenhouse.sandbox.http_server.rate_limiter import FixedWindowRateLimiter
from integrations.greenhouse.sandbox.http_server.request_log import RequestLog
from integrations.greenhouse.sandbox.settings import Settings
from integrations.greenhouse.sandbox.state_file import encode_state
from integrations.greenhouse.sandbox.webhooks.delivery import WebhookSender

logger = logging.getLogger("greenhouse.sandbox")

OTHER_ACCOUNT_ID_OFFSET = 1_000_000_000


class ConnectionDropped(Exception):
    """The connection must be closed without a response."""


class App:
    """Answers requests. One lock guards the datasets; delays happen outside it."""

    def __init__(self, settings: Settings, clock: Clock) -> None:
        self.settings = settings
        self.clock = clock
        self.lock = threading.RLock()
        self.faults = FaultInjector()
        self.requests = RequestLog()
        self.webhooks = WebhookSender()
        self.on_change: list[Callable[[], None]] = []
        self._serial = 0
        self._create_components()
        self._generate_data()

    def _create_components(self) -> None:
        settings, clock = self.settings, self.clock
        secret = hashlib.sha256(f"greenhouse sandbox {settings.seed}".encode()).digest()
        self.datasets: dict[str, Dataset] = {
            "acme": Dataset("acme", settings.domain, clock),
            "other": Dataset("other", "other.example", clock, OTHER_ACCOUNT_ID_OFFSET),
        }
        self.credentials = Credentials(self._add_service_user, self.notify_change)
        self.consents = ConsentStore(
            settings, clock, secret, self._add_service_user, self.notify_change
        )
        self.tokens = TokenIssuer(settings, clock, self.credentials, self.consents, secret)
        self._consent_page = ConsentPage(self.consents, self.datasets)
        self._token_rate_limiter = FixedWindowRateLimiter(clock, 60, settings.token_limit)
        cursors = CursorSigner(secret, settings.cursor_lifetime)
        v1_rate_limiter = FixedWindowRateLimiter(clock, 10, settings.v1_limit)
        v3_rate_limiter = FixedWindowRateLimiter(clock, 30, settings.v3_limit)
        self._rate_limiters = (self._token_rate_limiter, v1_rate_limiter, v3_rate_limiter)
        self._v1 = HarvestV1Handler(settings, self.credentials, v1_rate_limiter, self.dataset)
        self._v3 = HarvestV3Handler(settings, self.tokens, v3_rate_limiter, self.dataset, cursors)

    def _generate_data(self) -> None:
        settings = self.settings
        size = DatasetSize(settings.jobs, settings.users, settings.applications)
        generate_account(self.datasets["acme"], personas.ACME_PERSONAS, size, settings.seed)
        generate_account(
            self.datasets["other"], personas.OTHER_PERSONAS, DatasetSize(5, 6, 30), settings.seed
        )
        self.credentials.add_well_known()
        self.consents.add_well_known()
        self._connect_listeners()

    def _connect_listeners(self) -> None:
        for dataset in self.datasets.values():
            dataset.change_hooks.append(self.notify_change)
            dataset.event_listeners.append(self.webhooks.queue_event)

    def _add_service_user(self, account: str, site_admin: bool) -> int:
        return (
            self.dataset(account)
            .add_record(
                User,
                format_timestamp(LATEST_TIME),  # a seed gives the same data at any time
                first_name="Integration",
                last_name="Service User",
                service_account=True,
                site_admin=site_admin,
            )
            .id
        )

    def notify_change(self) -> None:
        for hook in self.on_change:
            hook()

    def dataset(self, account: str = "acme") -> Dataset:
        if account not in self.datasets:
            raise ValueError(f"Unknown account {account}; known are: {', '.join(self.datasets)}")
        return self.datasets[account]

    def reset_state(self) -> None:
        with self.lock:
            self._create_components()
            self._generate_data()
            self.faults.clear_faults()
            self.webhooks.clear_webhooks()
            self.requests.clear_entries()
            self.notify_change()

    def take_snapshot(self) -> bytes:
        """Return everything that outlives the process, as JSON."""
        with self.lock:
            return encode_state(
                {
                    "worlds": {name: dataset.to_state() for name, dataset in self.datasets.items()},
                    "credentials": self.credentials.to_state(),
                    "consents": self.consents.to_state(),
                    "tokens": [self.tokens.serial, self.tokens.expired_up_to],
                }
            )

    def restore_state(self, state: dict[str, Any]) -> None:
        """Restore a decoded :meth:`take_snapshot`."""
        with self.lock:
            self._create_components()
            for name, dataset in self.datasets.items():
                dataset.domain = state["worlds"][name]["domain"]
                dataset.load_state(state["worlds"][name])
            self.credentials.load_state(state["credentials"])
            if "consents" in state:
                self.consents.load_state(state["consents"])
            else:  # state files from before partners existed
                self.consents.add_well_known()
            self.tokens.serial, self.tokens.expired_up_to = state["tokens"]
            self._connect_listeners()

    def count_records(self, account: str = "acme") -> dict[str, Any]:
        with self.lock:
            return count_records(
                self.dataset(account), site_admin_grants=self.settings.site_admin_grants
            )

    def run_mutation(self, action: str, /, account: str = "acme", **values: Any) -> Any:
        if action not in MUTATIONS:
            raise ValueError(f"Unknown action; known are: {', '.join(MUTATIONS)}")
        with self.lock:
            return MUTATIONS[action](self.dataset(account), **values)

    def withdraw_consents(self, account: str = "acme", user: str | None = None) -> int:
        with self.lock:
            user_id = None if user is None else find_user(self.dataset(account), user).id
            return self.consents.withdraw_consents(account, user_id)

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
        credential = self._get_credential_name(request)
        matching = self.faults.take_matching(request, credential)
        wait = self.settings.latency_ms + sum(fault.latency_ms for fault in matching)
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
            if path == "/" and request.method == "GET":
                return home_page.render_home_page(self)
            raise not_found_error()

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

    def _get_credential_name(self, request: Request) -> str:
        # Faults match by name, so the credential need not be valid.
        basic_auth = parse_basic_auth(request)
        if basic_auth:
            return basic_auth[0]
        token = request.headers.get("authorization", "").partition(" ")[2]
        claims = self.tokens.decode_claims(token) if token else None
        return str(claims["client_id"]) if claims else ""


def _add_request_id(response: Response, request: Request) -> Response:
    response.headers["X-Request-Id"] = request.request_id
    return response
