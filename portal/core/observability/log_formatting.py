"""One log line per event, by structlog: text for people, or JSON for machines.

Lines carry the request ID and say neither paths nor the texts of errors.
"""

from __future__ import annotations

import logging
import re
from collections.abc import MutableMapping
from typing import Any

import structlog
from django.http import HttpRequest
from structlog.stdlib import ProcessorFormatter

from integrations.ats.error_descriptions import format_traceback

_EXTERNAL_URL = re.compile(r"(https?://[^/\s]+)/\S*")

EventDict = MutableMapping[str, Any]


class RouteFilter(logging.Filter):
    """Replaces paths in Django's messages by their route, since a path may be a secret link."""

    def filter(self, record: logging.LogRecord) -> bool:
        request = getattr(record, "request", None)
        if isinstance(request, HttpRequest):
            record.msg, record.args = _replace_paths(record.getMessage(), request), ()
        return True


class ServerFilter(logging.Filter):
    """Leaves the constant part of gunicorn's warnings, which quote request lines and headers."""

    def filter(self, record: logging.LogRecord) -> bool:
        if record.levelno >= logging.WARNING:
            constant = str(record.msg).partition("%")[0].partition(" from ip=")[0]
            record.msg, record.args = constant.strip(), ()
        return True


def _replace_paths(message: str, request: HttpRequest) -> str:
    # Of external URLs (a Referer) only the host is kept.
    message = _EXTERNAL_URL.sub(r"\1/…", message)
    route = (
        f"/{match.route}" if (match := request.resolver_match) else _get_path_prefix(request.path)
    )
    as_logged = request.path.encode("unicode_escape").decode("ascii")
    for path in (request.path, as_logged):
        if path != "/":
            message = message.replace(path, route)
    return message


def _get_path_prefix(path: str) -> str:
    # Secrets come in later segments.
    first, _, remainder = path.lstrip("/").partition("/")
    return f"/{first}/…" if remainder and re.fullmatch(r"[a-z-]{1,20}", first) else "none"


def build_formatter(style: str) -> ProcessorFormatter:
    """Return the formatter for LOG_FORMAT: `line` or `json`."""
    renderer: Any = (
        structlog.processors.JSONRenderer(ensure_ascii=False)
        if style == "json"
        else structlog.dev.ConsoleRenderer(colors=False, pad_event_to=0, pad_level=False)
    )
    return ProcessorFormatter(
        foreign_pre_chain=_SHARED_PROCESSORS,
        processors=[_describe_exception, ProcessorFormatter.remove_processors_meta, renderer],
    )


def _describe_exception(_logger: Any, _method: str, event: EventDict) -> EventDict:
    """Give the traceback without the errors' texts, which may quote a record or a secret."""
    exc_info = event.pop("exc_info", None)
    if isinstance(exc_info, tuple) and exc_info[1] is not None:
        event["exception"] = format_traceback(exc_info[1])
    return event


_SHARED_PROCESSORS: list[Any] = [
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_logger_name,
    structlog.stdlib.add_log_level,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
]


def configure_structlog() -> None:
    """Have structlog's loggers end in those of the standard library."""
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *_SHARED_PROCESSORS,
            ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
