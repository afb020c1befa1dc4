"""How log lines look: each with the id of what caused it (portal.core.trace)."""

from __future__ import annotations

import json
import logging
import re
from datetime import UTC, datetime
from typing import Any

from django.http import HttpRequest

from portal.core import trace

_ELSEWHERE = re.compile(r"(https?://[^/\s]+)/\S*")


class Traced(logging.Filter):
    """Gives every line its id; "-" where nothing of ours caused it."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.trace = trace.current() or "-"
        return True


class Routed(logging.Filter):
    """Gives Django's own lines about a request its route in place of its address, which may be a
    link that opens something.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        request = getattr(record, "request", None)
        if isinstance(request, HttpRequest):
            record.msg, record.args = _routed(record.getMessage(), request), ()
        return True


def _routed(words: str, request: HttpRequest) -> str:
    """The words without addresses; of one elsewhere (a Referer), the host alone stays."""
    words = _ELSEWHERE.sub(r"\1/…", words)
    route = f"/{match.route}" if (match := request.resolver_match) else _begins(request.path)
    as_logged = request.path.encode("unicode_escape").decode("ascii")
    for path in (request.path, as_logged):
        if path != "/":
            words = words.replace(path, route)
    return words


def _begins(path: str) -> str:
    """Where an address that leads nowhere was meant to lead; what opens something stands further
    back.
    """
    first, _, more = path.lstrip("/").partition("/")
    return f"/{first}/…" if more and re.fullmatch(r"[a-z-]{1,20}", first) else "none"


class JsonLines(logging.Formatter):
    """One JSON object a line, for machines that collect logs."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            "request_id": getattr(record, "trace", "-"),
            **getattr(record, "facts", {}),
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False, default=str)
