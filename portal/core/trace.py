"""One id for everything that one click causes: the request, its tasks, their calls to Greenhouse.

It stands in the answer (`X-Request-ID`), in every line of the log, in the queue beside the task
(never among its arguments) and in the log of requests to Greenhouse.
"""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable
from contextvars import ContextVar
from secrets import token_hex

from django.conf import settings
from django.http import HttpRequest, HttpResponse

from portal.core import measure

HEADER = "X-Request-ID"
_PLAIN = re.compile(r"[A-Za-z0-9-]{8,40}")
_GROUP = "request:"  # tells our ids in the queue from the names that it gives to schedules

_current: ContextVar[str] = ContextVar("trace", default="")
log = logging.getLogger("portal.requests")


def current() -> str:
    """The id of what is being done, "" outside of requests and tasks."""
    return _current.get()


def group() -> str:
    """The id as the queue keeps it beside a task."""
    return f"{_GROUP}{current() or token_hex(8)}"


def take_up(group: object) -> None:
    """Go on, in a worker, under the id that came with the task; else begin one."""
    text = str(group or "")
    _current.set(text.removeprefix(_GROUP) if text.startswith(_GROUP) else token_hex(8))


class RequestIds:
    """Middleware: begins the id, tells it in the answer, and logs one line per request.

    Behind trusted proxies (TRUSTED_PROXIES) their request ID is used if it is well formed.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        told = request.headers.get(HEADER, "") if settings.TRUSTED_PROXIES else ""
        _current.set(told if _PLAIN.fullmatch(told) else token_hex(8))
        began = time.monotonic()
        response = self.get_response(request)
        response[HEADER] = current()
        self._tell(request, response, time.monotonic() - began)
        return response

    def _tell(self, request: HttpRequest, response: HttpResponse, seconds: float) -> None:
        """The address as a template: what was searched for is nobody's business."""
        match = request.resolver_match
        facts = {
            "method": request.method,
            "route": match.route if match else "none",
            "status": response.status_code,
            "milliseconds": round(seconds * 1000),
            "user": getattr(getattr(request, "user", None), "pk", None),
        }
        view = (match and match.view_name) or "none"
        measure.request(view, str(request.method), response.status_code, seconds)
        if facts["route"] != "healthz":
            words = "{method} {route} → {status} in {milliseconds} ms".format(**facts)
            log.info(words, extra={"facts": facts})
