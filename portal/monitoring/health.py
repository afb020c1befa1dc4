"""Probes: `healthz` for load balancers (this process only), `readyz` for monitors (everything)."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from functools import cache

from django.conf import settings
from django.db import connection, connections
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder
from django.http import HttpRequest, HttpResponse
from django.urls import resolve
from django.views.decorators.http import require_safe

from portal import __version__
from portal.accounts.access import public_view
from portal.connections import worker_alerts
from portal.core import links, outbox_fence, queue
from portal.core.redis.client import get_redis_client

logger = logging.getLogger(__name__)

CHECK_TIMEOUT_SECONDS = 2.0
# A check that hangs longer (its server vanished) no longer keeps new ones from starting.
ABANDON_AFTER_SECONDS = 30.0

CheckResult = tuple[bool, str]


class HealthMiddleware:
    """Answers probes for any host and without sessions; must come before what needs those."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if request.path_info not in {links.LIVENESS_PATH, links.READINESS_PATH}:
            return self.get_response(request)
        request.resolver_match = resolve(request.path_info)
        response: HttpResponse = request.resolver_match.func(request)
        return response


@require_safe
@public_view("a load balancer asks, and learns only the version")
def check_liveness(request: HttpRequest) -> HttpResponse:
    return HttpResponse(f"ok\nversion: {__version__}\n", content_type="text/plain")


@require_safe
@public_view("a monitor asks, and learns only which part is in trouble")
def check_readiness(request: HttpRequest) -> HttpResponse:
    """Database, Redis, queue, migrations and workers, a line each; 503 if one of them fails."""
    _get_expected_migrations()  # slow the first time, and no part's fault
    results = {"database": _database_check.run()}
    if settings.REDIS_URL:
        results["redis"] = _redis_check.run()
    for name, check in (
        ("queue", _queue_check),
        ("outbox", _outbox_check),
        ("migrations", _migration_check),
        ("workers", _worker_check),
    ):
        results[name] = check.run() if results["database"][0] else (False, "cannot be told")
    lines = "".join(f"{name}: {detail}\n" for name, (_, detail) in results.items())
    status = 200 if all(is_ok for is_ok, _ in results.values()) else 503
    return HttpResponse(lines, content_type="text/plain", status=status)


class BoundedCheck:
    """Runs a check in a thread of its own and waits for a limited time. Requests share the check
    that is running, so a part that hangs occupies one thread.
    """

    def __init__(self, check: Callable[[], CheckResult]) -> None:
        self._check = check
        self._lock = threading.Lock()
        self._running: Future[CheckResult] | None = None
        self._started_at = 0.0

    def run(self) -> CheckResult:
        try:
            return self._get_running_check().result(CHECK_TIMEOUT_SECONDS)
        except TimeoutError:
            return False, "does not answer"

    def _get_running_check(self) -> Future[CheckResult]:
        with self._lock:
            now = time.monotonic()
            is_abandoned = now - self._started_at > ABANDON_AFTER_SECONDS
            if self._running is None or self._running.done() or is_abandoned:
                self._running, self._started_at = Future(), now
                threading.Thread(
                    target=self._run_check, args=(self._running,), daemon=True, name="readyz"
                ).start()
            return self._running

    def _run_check(self, future: Future[CheckResult]) -> None:
        try:
            result = self._check()
        except Exception:
            logger.warning("A readiness check failed", exc_info=True)
            result = (False, "does not answer")
        finally:
            connections.close_all()
        future.set_result(result)


def _check_database() -> CheckResult:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    return True, "ok"


def _check_queue() -> CheckResult:
    unserved_lanes = ", ".join(queue.list_unserved_lanes())
    return (False, f"no worker takes {unserved_lanes}") if unserved_lanes else (True, "ok")


def _check_outbox() -> CheckResult:
    is_fenced = outbox_fence.is_fenced()
    return (False, "fenced, run release_outbox") if is_fenced else (True, "ok")


def _check_redis() -> CheckResult:
    # Asks Redis, whatever the circuit breaker remembers.
    return (True, "ok") if get_redis_client(settings.REDIS_URL).ping() else (False, "unwell")


@cache
def _get_expected_migrations() -> frozenset[tuple[str, str]]:
    return frozenset(MigrationLoader(None, ignore_no_migrations=True).graph.nodes)


def _check_migrations() -> CheckResult:
    applied = MigrationRecorder(connection).applied_migrations().keys()
    missing_count = len(_get_expected_migrations() - applied)
    return (False, f"{missing_count} not applied") if missing_count else (True, "ok")


def _check_workers() -> CheckResult:
    status = worker_alerts.check_workers()
    if status.is_silent:
        return False, f"silent for {status.silent_seconds} seconds"
    if not status.has_heartbeat:
        return False, "not heard yet"
    return True, f"heard {status.silent_seconds} seconds ago"


_database_check = BoundedCheck(_check_database)
_outbox_check = BoundedCheck(_check_outbox)
_redis_check = BoundedCheck(_check_redis)
_queue_check = BoundedCheck(_check_queue)
_migration_check = BoundedCheck(_check_migrations)
_worker_check = BoundedCheck(_check_workers)
