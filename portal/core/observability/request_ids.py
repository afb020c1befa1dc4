"""One ID for a request, its tasks (as the queue's group) and their calls to Greenhouse."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from secrets import token_hex

import structlog
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from opentelemetry import trace
from structlog.contextvars import bind_contextvars, clear_contextvars, get_contextvars

from portal.core.observability import metrics, task_spans

REQUEST_ID_HEADER = "X-Request-ID"
_REQUEST_ID_PATTERN = re.compile(r"[A-Za-z0-9-]{8,40}")
_GROUP_PREFIX = "request:"  # distinguishes our IDs from the queue's own groups
_PARENT_SEPARATOR = ":"

logger = structlog.get_logger("portal.requests")
task_logger = structlog.get_logger("portal.tasks")


def get_request_id() -> str:
    return str(get_contextvars().get("request_id", ""))


def describe_context() -> dict[str, str]:
    """Return the request ID, and the dotted path of the task if one runs."""
    context = {"request_id": get_request_id() or "-"}
    if task := get_contextvars().get("task"):
        context["task"] = str(task)
    return context


def build_task_group() -> str:
    parent = task_spans.format_parent()
    request_id = get_request_id() or token_hex(8)
    return f"{_GROUP_PREFIX}{request_id}{_PARENT_SEPARATOR if parent else ''}{parent}"


def adopt_task_group(group: object) -> str:
    """Continue under the ID that the task was queued with, or a new one. Returns the span that
    queued it, if it was traced.
    """
    text = str(group or "")
    is_ours = text.startswith(_GROUP_PREFIX)
    request_id, _, parent = text.removeprefix(_GROUP_PREFIX).partition(_PARENT_SEPARATOR)
    _start_context(request_id if is_ours else token_hex(8))
    return parent if is_ours else ""


def log_task(name: str, *, succeeded: bool, seconds: float) -> None:
    """Log a task that has ended, and forget its ID: what the process does next is not about it."""
    outcome = "done" if succeeded else "failed"
    task_logger.info("task", task=name, outcome=outcome, milliseconds=round(seconds * 1000))
    clear_contextvars()


def _start_context(request_id: str) -> None:
    clear_contextvars()
    bind_contextvars(request_id=request_id)
    trace.get_current_span().set_attribute("portal.request_id", request_id)


class RequestIdMiddleware:
    """Adopts a well-formed ID from trusted proxies (TRUSTED_PROXIES)."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        incoming_id = request.headers.get(REQUEST_ID_HEADER, "") if settings.TRUSTED_PROXIES else ""
        is_well_formed = _REQUEST_ID_PATTERN.fullmatch(incoming_id)
        _start_context(incoming_id if is_well_formed else token_hex(8))
        started_at = time.monotonic()
        response = self.get_response(request)
        response[REQUEST_ID_HEADER] = get_request_id()
        self._log_request(request, response, time.monotonic() - started_at)
        return response

    def _log_request(self, request: HttpRequest, response: HttpResponse, seconds: float) -> None:
        # The route, not the path, which may contain search terms.
        match = request.resolver_match
        route = match.route if match else "none"
        view = (match and match.view_name) or "none"
        metrics.observe_request(view, str(request.method), response.status_code, seconds)
        if route != "healthz":
            logger.info(
                "request",
                method=request.method,
                route=route,
                status=response.status_code,
                milliseconds=round(seconds * 1000),
                user=getattr(getattr(request, "user", None), "pk", None),
            )
