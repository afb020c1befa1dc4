"""OpenTelemetry traces of requests, their tasks and calls to Greenhouse, sent by OTLP over HTTP.

Off without OTEL_EXPORTER_OTLP_ENDPOINT. Only the listed attributes leave: URLs, statements and the
texts of errors may be secret or personal. Nothing about a trace is sent to Greenhouse, and none is
taken from a client.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.conf import settings
from opentelemetry import propagate
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.instrumentation.django import DjangoInstrumentor
from opentelemetry.instrumentation.httpx import HTTPXClientInstrumentor
from opentelemetry.instrumentation.threading import ThreadingInstrumentor
from opentelemetry.propagators.textmap import TextMapPropagator
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.trace import SpanKind, Status

from portal import __version__
from portal.core.observability import request_ids, task_spans

ALLOWED_ATTRIBUTES = {
    "http.request.method", "http.method", "http.route", "http.response.status_code",
    "http.status_code", "error.type", "portal.request_id", "portal.task", "portal.succeeded",
}  # fmt: skip
CLIENT_ATTRIBUTES = {"server.address", "server.port", "net.peer.name", "net.peer.port"}
_OUR_SCOPES = {"opentelemetry.instrumentation.django", "opentelemetry.instrumentation.httpx",
               "portal.tasks"}  # fmt: skip
_INSTRUMENTORS = (DjangoInstrumentor, HTTPXClientInstrumentor, ThreadingInstrumentor)

_provider: TracerProvider | None = None


def start_traces(endpoint: str, service_name: str) -> None:
    """Send traces to a collector. The SDK reads its other settings (OTEL_…) itself."""
    global _provider
    propagate.set_global_textmap(_NoPropagator())
    resource = Resource.create({"service.name": service_name, "service.version": __version__})
    _provider = TracerProvider(resource=resource)
    exporter = OTLPSpanExporter(f"{endpoint.rstrip('/')}/v1/traces")
    _provider.add_span_processor(_RequestIdProcessor())
    _provider.add_span_processor(BatchSpanProcessor(ScrubbingExporter(exporter)))
    position = settings.MIDDLEWARE.index(settings.TRACED_AFTER) + 1
    for instrumentor in _INSTRUMENTORS:
        instrumentor().instrument(tracer_provider=_provider, middleware_position=position)
    task_spans.use_tracer(_provider.get_tracer("portal.tasks"))


def stop_traces() -> None:
    """Send what is left."""
    global _provider
    if _provider is not None:
        task_spans.use_tracer(None)
        for instrumentor in _INSTRUMENTORS:
            instrumentor().uninstrument()
        _provider.shutdown()
        _provider = None


class _NoPropagator(TextMapPropagator):
    """Takes no trace from a request's headers, and adds none to a call's."""

    def extract(self, carrier: Any, context: Context | None = None, getter: Any = None) -> Context:
        return context or Context()

    def inject(self, carrier: Any, context: Context | None = None, setter: Any = None) -> None:
        pass

    @property
    def fields(self) -> set[str]:
        return set()


class _RequestIdProcessor(SpanProcessor):
    def on_start(self, span: Span, parent_context: object = None) -> None:
        span.set_attribute("portal.request_id", request_ids.get_request_id() or "-")


class ScrubbingExporter(SpanExporter):
    """Hands on spans with nothing but the allowed attributes."""

    def __init__(self, exporter: SpanExporter) -> None:
        self._exporter = exporter

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        return self._exporter.export([_scrub_span(span) for span in spans])

    def shutdown(self) -> None:
        self._exporter.shutdown()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        return self._exporter.force_flush(timeout_millis)


def _scrub_span(span: ReadableSpan) -> ReadableSpan:
    allowed = ALLOWED_ATTRIBUTES | (CLIENT_ATTRIBUTES if span.kind is SpanKind.CLIENT else set())
    attributes = {name: value for name, value in (span.attributes or {}).items() if name in allowed}
    scope = span.instrumentation_scope
    return ReadableSpan(
        name=span.name if scope and scope.name in _OUR_SCOPES else "other",
        context=span.context,
        parent=span.parent,
        resource=span.resource,
        attributes=attributes,
        kind=span.kind,
        status=Status(span.status.status_code),
        start_time=span.start_time,
        end_time=span.end_time,
        instrumentation_scope=scope,
    )
