"""Whether this process is alive, and whether the whole portal works: for machines that ask.

A load balancer asks `healthz`: as long as the process answers it serves, with the database down as
with workers dead. A monitor asks `readyz` and calls somebody.
"""

from __future__ import annotations

from django.db import Error, connection
from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_safe

from portal.accounts.access import public
from portal.connections import workers
from portal.core import queue

Finding = tuple[bool, str]


@require_safe
@public("a load balancer asks, and learns nothing else")
def healthz(request: HttpRequest) -> HttpResponse:
    """This process is alive. Asks nothing of anybody else."""
    return HttpResponse("ok", content_type="text/plain")


@require_safe
@public("a monitor asks, and learns only which part is in trouble")
def readyz(request: HttpRequest) -> HttpResponse:
    """The database, the queue and the workers, a line each; 503 when one of them is in trouble."""
    database = _database()
    broker = (True, "ok") if queue.reachable() else (False, "does not answer")
    found = {
        "database": database,
        "queue": broker,
        "workers": _workers() if database[0] else (False, "cannot be told"),
    }
    lines = "".join(f"{name}: {words}\n" for name, (_, words) in found.items())
    status = 200 if all(well for well, _ in found.values()) else 503
    return HttpResponse(lines, content_type="text/plain", status=status)


def _database() -> Finding:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except Error:
        return False, "does not answer"
    return True, "ok"


def _workers() -> Finding:
    sign = workers.look()
    if sign.silent:
        return False, f"silent for {sign.seconds} seconds"
    if not sign.heard:
        return False, "not heard yet"
    return True, f"heard {sign.seconds} seconds ago"
