"""A trace leads from the request through its tasks to Greenhouse, without anything personal."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import pytest
from django.conf import settings
from django.test import Client
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from portal.core.observability import task_spans, traces
from tests.conftest import FULL_CREDENTIALS
from tests.personas import Personas
from tests.receiver import Receiver, run_receiver

Kind = Span.SpanKind


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with run_receiver() as receiver:
        traces.start_traces(f"http://{receiver.address}", "tests")
        yield receiver
        traces.stop_traces()


def _read_spans(receiver: Receiver) -> list[Span]:
    traces.stop_traces()
    requests = [ExportTraceServiceRequest.FromString(body) for body in receiver.bodies]
    return [
        span
        for request in requests
        for resource in request.resource_spans
        for scope in resource.scope_spans
        for span in scope.spans
    ]


def _get_attribute(span: Span, name: str) -> str:
    return next((a.value.string_value for a in span.attributes if a.key == name), "")


def test_trace_leads_from_request_to_greenhouse(
    personas: Personas, receiver: Receiver, sandbox, sign_in, run_tasks
) -> None:
    key = FULL_CREDENTIALS["harvest_key"]
    response = sign_in(personas.ada).post("/setup/credential/?q=Jane", key)
    run_tasks()
    spans = _read_spans(receiver)
    root = next(s for s in spans if s.name == "POST setup/credential/")
    traced = [span for span in spans if span.trace_id == root.trace_id]
    kinds = Counter(span.kind for span in traced)
    assert kinds[Kind.SPAN_KIND_CONSUMER] > 0
    tasks = {span.span_id for span in traced if span.kind == Kind.SPAN_KIND_CONSUMER}
    calls = [span for span in traced if span.kind == Kind.SPAN_KIND_CLIENT]
    assert any(span.parent_span_id in tasks for span in calls)
    ids = {_get_attribute(span, "portal.request_id") for span in traced}
    assert response.headers["X-Request-ID"] in ids


def test_trace_contains_nothing_personal(
    personas: Personas, receiver: Receiver, sandbox, sign_in, run_tasks
) -> None:
    sign_in(personas.ada).post("/setup/credential/?q=Jane", FULL_CREDENTIALS["harvest_key"])
    run_tasks()
    spans = _read_spans(receiver)
    assert spans
    allowed = traces.ALLOWED_ATTRIBUTES | traces.CLIENT_ATTRIBUTES
    assert {a.key for span in spans for a in span.attributes} <= allowed
    assert not any(span.events or span.status.message for span in spans)
    secrets = (*FULL_CREDENTIALS["harvest_key"].values(), "Jane", "@acme.example", "?")
    sent = b"".join(span.SerializeToString() for span in spans)
    assert [secret for secret in secrets if len(secret) > 3 and secret.encode() in sent] == []


def test_trace_of_client_is_not_continued(
    personas: Personas, receiver: Receiver, sandbox, sign_in
) -> None:
    headers = {"traceparent": f"00-{'a' * 32}-{'b' * 16}-01"}
    sign_in(personas.ada).get("/activity-log/", headers=headers)
    trace_ids = {span.trace_id.hex() for span in _read_spans(receiver)}
    assert trace_ids
    assert "a" * 32 not in trace_ids


def test_traces_are_off_without_setting() -> None:
    assert settings.OTEL_EXPORTER_OTLP_ENDPOINT == ""
    assert task_spans.format_parent() == ""


def test_health_page_answers_any_host(receiver: Receiver, client: Client) -> None:
    for path in ("/healthz", "/readyz"):
        response = client.get(path, headers={"host": "10.0.0.7:8000"})
        assert response.status_code != 400, path
