from __future__ import annotations

import json
import logging
import re
from datetime import UTC, datetime
from typing import Any

from django.http import HttpRequest

from integrations.ats.error_descriptions import format_traceback
from portal.core.observability import request_ids

_EXTERNAL_URL = re.compile(r"(https?://[^/\s]+)/\S*")


class RequestIdFilter(logging.Filter):
    """Adds the request ID; "-" outside requests and tasks."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.request_id = request_ids.get_request_id() or "-"
        return True


class RouteFilter(logging.Filter):
    """Replaces paths in Django's messages by their route, since a path may be a secret link."""

    def filter(self, record: logging.LogRecord) -> bool:
        request = getattr(record, "request", None)
        if isinstance(request, HttpRequest):
            record.msg, record.args = _replace_paths(record.getMessage(), request), ()
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


class LineFormatter(logging.Formatter):
    """Formats exceptions without their texts, which may quote a record or a secret."""

    def format(self, record: logging.LogRecord) -> str:
        record.exc_text = None  # another handler may have cached the full text
        return super().format(record)

    def formatException(self, exc_info: Any) -> str:
        error = exc_info[1]
        return format_traceback(error) if error is not None else ""


class JsonFormatter(LineFormatter):
    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            "request_id": getattr(record, "request_id", "-"),
            **getattr(record, "details", {}),
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False, default=str)
