"""Spans of tasks, as children of the request that enqueued them. Does nothing while traces are off
(`traces.py`, which takes long to import).
"""

from __future__ import annotations

import re
from contextvars import Token
from dataclasses import dataclass

from opentelemetry import context, trace
from opentelemetry.trace import NonRecordingSpan, SpanContext, SpanKind, TraceFlags

_PARENT_PATTERN = re.compile(r"([0-9a-f]{32})-([0-9a-f]{16})")


@dataclass(frozen=True)
class _RunningSpan:
    span: trace.Span
    token: Token[context.Context]


_tracer: trace.Tracer | None = None
_running: _RunningSpan | None = None  # a process runs one task at a time


def use_tracer(tracer: trace.Tracer | None) -> None:
    global _tracer
    _tracer = tracer


def format_parent() -> str:
    """Return the current span as a text that a task can carry; empty while traces are off."""
    current = trace.get_current_span().get_span_context()
    if _tracer is None or not current.is_valid:
        return ""
    return f"{current.trace_id:032x}-{current.span_id:016x}"


def start_span(task: str, parent: str) -> None:
    global _running
    if _tracer is None:
        return
    span = _tracer.start_span(
        task.rpartition(".")[2],
        context=_restore_parent(parent),
        kind=SpanKind.CONSUMER,
        attributes={"portal.task": task},
    )
    _running = _RunningSpan(span, context.attach(trace.set_span_in_context(span)))


def end_span(*, succeeded: bool) -> None:
    global _running
    if _running is not None:
        _running.span.set_attribute("portal.succeeded", succeeded)
        _running.span.end()
        context.detach(_running.token)
        _running = None


def _restore_parent(parent: str) -> context.Context:
    match = _PARENT_PATTERN.fullmatch(parent)
    if match is None:
        return context.Context()
    trace_id, span_id = (int(text, 16) for text in match.groups())
    flags = TraceFlags(TraceFlags.SAMPLED)
    span = NonRecordingSpan(SpanContext(trace_id, span_id, is_remote=True, trace_flags=flags))
    return trace.set_span_in_context(span, context.Context())
