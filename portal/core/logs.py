"""How log lines look: each with the id of what caused it (portal.core.trace)."""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime
from typing import Any

from portal.core import trace


class Traced(logging.Filter):
    """Gives every line its id; "-" where nothing of ours caused it."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.trace = trace.current() or "-"
        return True


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
