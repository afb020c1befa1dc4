"""Reports errors to Sentry, or to whatever speaks its protocol. Off without SENTRY_DSN.

A report says where the code failed and under which request ID. It is built anew from the fields
listed below: texts of errors, variables, paths, headers and people may be secret or personal.
"""

from __future__ import annotations

from typing import Any

import sentry_sdk
from sentry_sdk.integrations.django import DjangoIntegration
from sentry_sdk.integrations.logging import LoggingIntegration

from portal import __version__
from portal.core.observability import request_ids

_EVENT_FIELDS = ("event_id", "timestamp", "level", "platform", "release", "environment", "sdk",
                 "logger", "type")  # fmt: skip
_FRAME_FIELDS = ("filename", "function", "module", "lineno", "in_app", "pre_context",
                 "context_line", "post_context")  # fmt: skip


def start_error_reports(dsn: str, environment: str) -> None:
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
        shutdown_timeout=2,
    )


def scrub_event(event: Any, _hint: Any) -> Any:
    """Return a report with nothing but the allowed fields."""
    scrubbed = {name: event[name] for name in _EVENT_FIELDS if name in event}
    scrubbed["tags"] = {"request_id": request_ids.get_request_id() or "-"}
    if event.get("transaction_info", {}).get("source") != "url":  # not a path
        scrubbed["transaction"] = event.get("transaction", "")
    if method := event.get("request", {}).get("method"):
        scrubbed["request"] = {"method": method}
    if "logentry" in event:
        # What the code says, without the values put into it.
        scrubbed["logentry"] = {"message": str(event["logentry"].get("message", ""))}
    if "exception" in event:
        values = event["exception"].get("values", [])
        scrubbed["exception"] = {"values": [_scrub_exception(value) for value in values]}
    return scrubbed


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
