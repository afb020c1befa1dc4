"""Reports errors to Sentry, or to whatever speaks its protocol. Off without SENTRY_DSN.

A report says where the code failed and under which request ID. It is built anew from the fields
listed below: texts of errors, variables, paths, headers and people may be secret or personal.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from typing import Any

import sentry_sdk
from sentry_sdk.integrations.django import DjangoIntegration
from sentry_sdk.integrations.logging import LoggingIntegration, ignore_logger

from portal import __version__
from portal.core.observability import request_ids

_EVENT_FIELDS = ("event_id", "timestamp", "level", "platform", "release", "environment", "sdk",
                 "logger", "type")  # fmt: skip
_DOTTED_PATH = re.compile(r"[a-z_]+(\.\w+)+")  # of a view; others may be URLs
_REPEATS_OF_FAILED_TASKS = ("django-q", "monitor")
_OUR_PACKAGES = {"portal", "integrations"}  # linted: their log messages are constants
_FRAME_FIELDS = ("filename", "function", "module", "lineno", "in_app", "pre_context",
                 "context_line", "post_context")  # fmt: skip


def start_error_reports(dsn: str, environment: str) -> None:
    ignore_logger("django.security.DisallowedHost")  # a client's error
    sentry_sdk.init(
        dsn=dsn,
        environment=environment,
        release=f"inbound-talent-portal@{__version__}",
        auto_enabling_integrations=False,
        integrations=[
            DjangoIntegration(
                transaction_style="function_name", middleware_spans=False, signals_spans=False
            ),
            LoggingIntegration(level=None),
        ],
        before_send=scrub_event,
        before_breadcrumb=lambda _crumb, _hint: None,
        include_local_variables=False,
        max_request_body_size="never",
        auto_session_tracking=False,
        send_client_reports=False,
        trace_propagation_targets=[],
        spotlight=False,
        shutdown_timeout=2,
    )


def scrub_event(event: Any, hint: Any) -> Any:
    """Return a report with nothing but the allowed fields, or None where it would be a second."""
    record = hint.get("log_record")
    if record is not None and (record.name, record.funcName) == _REPEATS_OF_FAILED_TASKS:
        return None
    scrubbed = {name: event[name] for name in _EVENT_FIELDS if name in event}
    scrubbed["tags"] = request_ids.describe_context()
    if _DOTTED_PATH.fullmatch(str(event.get("transaction"))):
        scrubbed["transaction"] = event["transaction"]
    if method := event.get("request", {}).get("method"):
        scrubbed["request"] = {"method": method}
    if "logentry" in event:
        scrubbed["logentry"] = {"message": _describe_log_entry(record)}
    if "exception" in event:
        values = event["exception"].get("values", [])
        scrubbed["exception"] = {"values": [_scrub_exception(value) for value in values]}
    return scrubbed


def _describe_log_entry(record: logging.LogRecord | None) -> str:
    """Return what the code says, without the values put into it."""
    if record is None:
        return ""
    if isinstance(record.msg, Mapping):  # by structlog; all but the event are values
        return str(record.msg.get("event", ""))
    if record.args or record.name.partition(".")[0] in _OUR_PACKAGES:
        return str(record.msg)
    # Others may have put values into the text already.
    return f"{record.name}: {record.funcName}, line {record.lineno}"


def _scrub_exception(exception: dict[str, Any]) -> dict[str, Any]:
    frames = (exception.get("stacktrace") or {}).get("frames", [])
    return {
        "type": exception.get("type"),
        "module": exception.get("module"),
        "value": "",
        "mechanism": {
            name: value
            for name, value in (exception.get("mechanism") or {}).items()
            if name in {"type", "handled", "exception_id", "parent_id"}
        },
        "stacktrace": {
            "frames": [
                {name: frame[name] for name in _FRAME_FIELDS if name in frame} for frame in frames
            ]
        },
    }
