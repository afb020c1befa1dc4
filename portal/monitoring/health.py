"""Probes: `healthz` for load balancers (this process only), `readyz` for monitors (everything)."""

from __future__ import annotations

from django.db import Error, connection
from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_safe

from portal.accounts.access import public_view
from portal.connections import worker_alerts
from portal.core import queue

CheckResult = tuple[bool, str]


@require_safe
@public_view("a load balancer asks, and learns nothing else")
def check_liveness(request: HttpRequest) -> HttpResponse:
    return HttpResponse("ok", content_type="text/plain")


@require_safe
@public_view("a monitor asks, and learns only which part is in trouble")
def check_readiness(request: HttpRequest) -> HttpResponse:
    """Database, queue and workers, one line each; 503 if one of them fails."""
    database_result = _check_database()
    queue_result = (True, "ok") if queue.is_broker_reachable() else (False, "does not answer")
    results = {
        "database": database_result,
        "queue": queue_result,
        "workers": _check_workers() if database_result[0] else (False, "cannot be told"),
    }
    lines = "".join(f"{name}: {detail}\n" for name, (_, detail) in results.items())
    status = 200 if all(is_ok for is_ok, _ in results.values()) else 503
    return HttpResponse(lines, content_type="text/plain", status=status)


def _check_database() -> CheckResult:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except Error:
        return False, "does not answer"
    return True, "ok"


def _check_workers() -> CheckResult:
    status = worker_alerts.check_workers()
    if status.is_silent:
        return False, f"silent for {status.silent_seconds} seconds"
    if not status.has_heartbeat:
        return False, "not heard yet"
    return True, f"heard {status.silent_seconds} seconds ago"
