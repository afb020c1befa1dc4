"""One ID for a request, its tasks (as the queue's group) and their calls to Greenhouse."""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable
from contextvars import ContextVar
from secrets import token_hex

from django.conf import settings
from django.http import HttpRequest, HttpResponse

from portal.core.observability import metrics

REQUEST_ID_HEADER = "X-Request-ID"
_REQUEST_ID_PATTERN = re.compile(r"[A-Za-z0-9-]{8,40}")
_GROUP_PREFIX = "request:"  # distinguishes our IDs from the queue's own groups

_current_id: ContextVar[str] = ContextVar("request_id", default="")
logger = logging.getLogger("portal.requests")


def get_request_id() -> str:
    return _current_id.get()


def build_task_group() -> str:
    return f"{_GROUP_PREFIX}{get_request_id() or token_hex(8)}"


def adopt_task_group(group: object) -> None:
    """Continue under the ID that the task was queued with, or a new one."""
    text = str(group or "")
    _current_id.set(
        text.removeprefix(_GROUP_PREFIX) if text.startswith(_GROUP_PREFIX) else token_hex(8)
    )


class RequestIdMiddleware:
    """Adopts a well-formed ID from trusted proxies (TRUSTED_PROXIES)."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        incoming_id = request.headers.get(REQUEST_ID_HEADER, "") if settings.TRUSTED_PROXIES else ""
        _current_id.set(incoming_id if _REQUEST_ID_PATTERN.fullmatch(incoming_id) else token_hex(8))
        started_at = time.monotonic()
        response = self.get_response(request)
        response[REQUEST_ID_HEADER] = get_request_id()
        self._log_request(request, response, time.monotonic() - started_at)
        return response

    def _log_request(self, request: HttpRequest, response: HttpResponse, seconds: float) -> None:
        # The route, not the path, which may contain search terms.
        match = request.resolver_match
        details = {
            "method": request.method,
            "route": match.route if match else "none",
            "status": response.status_code,
            "milliseconds": round(seconds * 1000),
            "user": getattr(getattr(request, "user", None), "pk", None),
        }
        view = (match and match.view_name) or "none"
        metrics.observe_request(view, str(request.method), response.status_code, seconds)
        if details["route"] != "healthz":
            message = "{method} {route} → {status} in {milliseconds} ms".format(**details)
            logger.info(message, extra={"details": details})
