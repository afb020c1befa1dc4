"""The sandbox without its socket: accounts, credentials, and what answers a request."""

from __future__ import annotations

import hashlib
import logging
import threading
import time
from collections.abc import Callable
from typing import Any

from . import cast, control, front
from .build import LATEST, Size, build
from .clock import Clock, iso
from .consent import ConsentPage
from .credentials import Credentials
from .faults import Fault, Faults
from .harvest_v1 import HarvestV1
from .harvest_v3 import HarvestV3
from .http import Answer, Request, Response, not_found
from .mutations import MUTATIONS, find_user
from .paging import Cursors
from .partners import Consents
from .ratelimit import Windows
from .records import User
from .request_log import RequestLog
from .settings import Settings
from .state import pack
from .stats import stats
from .tokens import Tokens, basic
from .webhooks import Webhooks
from .world import World

logger = logging.getLogger("greenhouse.sandbox")

OTHER_OFFSET = 1_000_000_000
"""What is added to every id of the other account."""


class Dropped(Exception):
    """The connection is to be closed without an answer."""


class App:
    """Everything behind the socket. One lock guards the worlds; waiting happens outside of it."""

    def __init__(self, settings: Settings, clock: Clock) -> None:
        self.settings = settings
        self.clock = clock
        self.lock = threading.RLock()
        self.faults = Faults()
        self.requests = RequestLog()
        self.webhooks = Webhooks()
        self.on_change: list[Callable[[], None]] = []
        self._serial = 0
        self._prepare()
        self._build()

    # Making and keeping

    def _prepare(self) -> None:
        """Make the parts that hold no records."""
        settings, clock = self.settings, self.clock
        secret = hashlib.sha256(f"greenhouse sandbox {settings.seed}".encode()).digest()
        self.worlds: dict[str, World] = {
            "acme": World("acme", settings.domain, clock),
            "other": World("other", "other.example", clock, OTHER_OFFSET),
        }
        self.credentials = Credentials(self._add_service_user, self.changed)
        self.consents = Consents(settings, clock, secret, self._add_service_user, self.changed)
        self.tokens = Tokens(settings, clock, self.credentials, self.consents, secret)
        self._consent_page = ConsentPage(self.consents, self.worlds)
        self._token_windows = Windows(clock, 60, settings.token_limit)
        cursors = Cursors(secret, settings.cursor_lifetime)
        v1_windows = Windows(clock, 10, settings.v1_limit)
        v3_windows = Windows(clock, 30, settings.v3_limit)
        self._windows = (self._token_windows, v1_windows, v3_windows)
        self._v1 = HarvestV1(settings, self.credentials, v1_windows, self.world)
        self._v3 = HarvestV3(settings, self.tokens, v3_windows, self.world, cursors)

    def _build(self) -> None:
        settings = self.settings
        size = Size(settings.jobs, settings.users, settings.applications)
        build(self.worlds["acme"], cast.ACME, size, settings.seed)
        build(self.worlds["other"], cast.OTHER, Size(5, 6, 30), settings.seed)
        self.credentials.add_well_known()
        self.consents.add_well_known()
        self._listen()

    def _listen(self) -> None:
        for world in self.worlds.values():
            world.hooks.append(self.changed)
            world.listeners.append(self.webhooks.listen)

    def _add_service_user(self, account: str, site_admin: bool) -> int:
        return (
            self.world(account)
            .add(
                User,
                iso(LATEST),  # so that a seed gives the same world at any time
                first_name="Integration",
                last_name="Service User",
                service_account=True,
                site_admin=site_admin,
            )
            .id
        )

    def changed(self) -> None:
        """Tell whoever keeps the state that it changed."""
        for hook in self.on_change:
            hook()

    def world(self, account: str = "acme") -> World:
        """Give the records of an account."""
        if account not in self.worlds:
            raise ValueError(f"Unknown account {account}; known are: {', '.join(self.worlds)}")
        return self.worlds[account]

    def reset(self) -> None:
        """Begin anew: records, credentials, faults, hooks, log and windows."""
        with self.lock:
            self._prepare()
            self._build()
            self.faults.clear()
            self.webhooks.clear()
            self.requests.clear()
            self.changed()

    def snapshot(self) -> bytes:
        """Give everything that outlives the process, as JSON."""
        with self.lock:
            return pack(
                {
                    "worlds": {name: world.to_state() for name, world in self.worlds.items()},
                    "credentials": self.credentials.to_state(),
                    "consents": self.consents.to_state(),
                    "tokens": [self.tokens.serial, self.tokens.expired_up_to],
                }
            )

    def restore(self, state: dict[str, Any]) -> None:
        """Take over what :meth:`snapshot` gave."""
        with self.lock:
            self._prepare()
            for name, world in self.worlds.items():
                world.domain = state["worlds"][name]["domain"]
                world.load_state(state["worlds"][name])
            self.credentials.load_state(state["credentials"])
            if "consents" in state:
                self.consents.load_state(state["consents"])
            else:  # kept by a sandbox that knew no partners
                self.consents.add_well_known()
            self.tokens.serial, self.tokens.expired_up_to = state["tokens"]
            self._listen()

    def stats(self, account: str = "acme") -> dict[str, Any]:
        """Count an account."""
        with self.lock:
            return stats(self.world(account), site_admin_grants=self.settings.site_admin_grants)

    def mutate(self, action: str, /, account: str = "acme", **values: Any) -> Any:
        """Change an account as if somebody worked in Greenhouse; see ``mutations``."""
        if action not in MUTATIONS:
            raise ValueError(f"Unknown action; known are: {', '.join(MUTATIONS)}")
        with self.lock:
            return MUTATIONS[action](self.world(account), **values)

    def withdraw(self, account: str = "acme", user: str | None = None) -> int:
        """End an account's consents, or those by which one user acts; give how many."""
        with self.lock:
            number = None if user is None else find_user(self.world(account), user).id
            return self.consents.withdraw(account, number)

    # Answering

    def handle(self, request: Request) -> Response:
        """Answer a request. Raises :class:`Dropped` when a fault wants the socket closed."""
        started = time.perf_counter()
        self._serial += 1
        digest = hashlib.sha256(f"{self._serial} {request.path}".encode()).hexdigest()
        request.request_id = request.headers.get("x-request-id") or digest[:32]
        if request.path.startswith("/__"):
            return _finish(self._guarded(request, control.answer, self), request)
        try:
            response = self._with_faults(request)
        except Dropped:
            self._note(request, 0, started)
            raise
        self._note(request, response.status, started)
        return _finish(response, request)

    def _note(self, request: Request, status: int, started: float) -> None:
        elapsed = (time.perf_counter() - started) * 1000
        self.requests.note(request, status, iso(self.clock()), elapsed)

    def _with_faults(self, request: Request) -> Response:
        credential = self._credential_of(request)
        met = self.faults.meet(request, credential)
        wait = self.settings.latency_ms + sum(fault.latency_ms for fault in met)
        if wait:
            time.sleep(wait / 1000)
        fault = next((fault for fault in met if fault.kind != "latency"), None)
        if fault is None:
            return self._guarded(request, App._routed, self)
        return self._faulty(request, fault, credential)

    def _faulty(self, request: Request, fault: Fault, credential: str) -> Response:
        if fault.kind == "drop_before":
            raise Dropped
        if fault.kind in ("status", "html"):
            return fault.response(self.clock().timestamp())
        if fault.kind == "token_expired":
            self.tokens.expire_all()
        if fault.kind == "permission_removed":
            found = self.credentials.find(credential) or self.consents.partners.get(credential)
            if found:
                found.remove(fault.permissions)
        response = self._guarded(request, App._routed, self)
        if fault.kind == "drop_after":
            raise Dropped
        if fault.kind == "truncated_json":
            response.body = response.body[: len(response.body) // 2]
        return response

    def _guarded(self, request: Request, answer: Any, *args: Any) -> Response:
        """Run what answers; whatever it raises becomes an answer."""
        try:
            response: Response = answer(*args, request)
        except Answer as ended:
            return ended.response
        except Exception:
            logger.exception("The sandbox failed on %s %s", request.method, request.path)
            return Answer(500, {"message": "Internal Server Error"}).response
        return response

    def _routed(self, request: Request) -> Response:
        with self.lock:
            path = request.path
            if path.startswith(("/v1/", "/v2/")) or path in ("/v1", "/v2"):
                return self._v1.answer(request)
            if path.startswith("/v3/"):
                return self._v3.answer(request)
            if path in ("/token", "/introspect", "/revoke") and request.method == "POST":
                return self._auth(request)
            if path == "/authorize" and request.method in ("GET", "POST"):
                return self._consent_page.answer(request)
            if path == "/" and request.method == "GET":
                return front.page(self)
            raise not_found()

    def _auth(self, request: Request) -> Response:
        if request.path == "/introspect":
            if not self.settings.introspection:
                raise not_found()
            return self.tokens.introspect(request)
        if request.path == "/revoke":
            if not self.settings.revocation:
                raise not_found()
            return self.tokens.revoke(request)
        pair = basic(request)
        name = pair[0] if pair else ""
        if name not in self.credentials.clients and name not in self.consents.partners:
            return self.tokens.answer(request, self._has_user)
        verdict = self._token_windows.take(name)
        try:
            if not verdict.allowed:
                raise Answer(429, {"message": "Rate limit exceeded"})
            response = self.tokens.answer(request, self._has_user)
        except Answer as answer:
            response = answer.response
        response.headers.update(verdict.headers(with_reset=True))
        return response

    def _has_user(self, account: str, number: int) -> bool:
        return number in self.world(account).users.rows

    def _credential_of(self, request: Request) -> str:
        """Give the v1 key or client id of a request, valid or not, for matching faults."""
        pair = basic(request)
        if pair:
            return pair[0]
        token = request.headers.get("authorization", "").partition(" ")[2]
        claims = self.tokens.claims(token) if token else None
        return str(claims["client_id"]) if claims else ""


def _finish(response: Response, request: Request) -> Response:
    response.headers["X-Request-Id"] = request.request_id
    return response
