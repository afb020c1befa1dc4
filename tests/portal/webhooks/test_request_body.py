"""Deliveries without Content-Length: chunks are read, everything else is refused by name."""

from __future__ import annotations

import http.client
from collections.abc import Iterator
from io import BytesIO
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.core.handlers.wsgi import WSGIHandler
from django.test import RequestFactory

from integrations.greenhouse.sandbox.webhooks.delivery import encode_delivery, sign_body
from portal.webhooks.models import Delivery
from portal.webhooks.receiver import MAX_BODY_BYTES
from tests.demo_process import find_free_port
from tests.portal.webhooks.conftest import WebhookSender
from tests.server_processes import make_environment, responds, run_process, wait_until

BODY = encode_delivery("candidate_stage_change", {"application": {"id": 1}})


class _BrokenStream(BytesIO):
    def read(self, size: int | None = -1) -> bytes:
        raise ConnectionResetError


def _post_wsgi(webhook: WebhookSender, body: Any, signed: bytes = b"", **environ: Any) -> str:
    """Call the WSGI application as a server that decodes chunks does; return the status."""
    statuses: list[str] = []
    request = RequestFactory().post(webhook.path, b"", content_type="application/json").environ
    request.pop("CONTENT_LENGTH", None)
    request |= {
        "HTTP_HOST": "testserver",
        "HTTP_SIGNATURE": sign_body(webhook.secret, signed),
        "HTTP_TRANSFER_ENCODING": "chunked",
        "wsgi.input": BytesIO(body) if isinstance(body, bytes) else body,
        "wsgi.input_terminated": True,
        **environ,
    }
    response = WSGIHandler()(request, lambda status, _: statuses.append(status))
    response.close()
    return statuses[0].split()[0]


def test_chunked_delivery_is_read(webhook: WebhookSender) -> None:
    assert _post_wsgi(webhook, BODY, BODY) == "200"
    assert Delivery.objects.get().record_ids == {"applications": [1]}


def test_wrong_signature_of_chunks_is_refused(webhook: WebhookSender) -> None:
    assert _post_wsgi(webhook, BODY, b"something else") == "401"
    assert webhook.endpoint.rejected_count == 1


@pytest.mark.parametrize(
    ("body", "environ", "status"),
    [
        (b"x" * (MAX_BODY_BYTES + 1), {}, "413"),
        (BODY, {"wsgi.input_terminated": False}, "411"),
        (b"", {"HTTP_TRANSFER_ENCODING": ""}, "411"),
        (_BrokenStream(), {}, "400"),
    ],
    ids=["too-large", "not-decoded", "no-length", "cut-off"],
)
def test_unreadable_body_is_not_a_bad_signature(
    webhook: WebhookSender, body: Any, environ: dict[str, Any], status: str
) -> None:
    assert _post_wsgi(webhook, body, BODY, **environ) == status
    assert webhook.endpoint.rejected_count == 0
    assert not Delivery.objects.exists()


def _post_in_chunks(url: str, webhook: WebhookSender, body: bytes) -> int:
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=30)
    connection.request(
        "POST",
        webhook.path,
        body=_split(body),
        headers={
            "Content-Type": "application/json",
            "Signature": sign_body(webhook.secret, body),
        },
        encode_chunked=True,
    )
    status = connection.getresponse().status
    connection.close()
    return status


def _split(body: bytes) -> Iterator[bytes]:
    for start in range(0, len(body), 7000):
        yield body[start : start + 7000]


def test_server_without_chunk_decoding_answers_411(webhook: WebhookSender, live_server) -> None:
    assert _post_in_chunks(live_server.url, webhook, BODY) == 411
    assert webhook.endpoint.rejected_count == 0


@pytest.mark.slow("starts a web server process")
def test_gunicorn_reads_chunks(webhook: WebhookSender, sandbox) -> None:
    port = find_free_port()
    url = f"http://127.0.0.1:{port}"
    environment = make_environment(sandbox, WEB_PORT=str(port))
    with run_process("-m", "gunicorn", environment=environment):
        wait_until(lambda: responds(url))
        assert _post_in_chunks(url, webhook, BODY) == 200
        assert _post_in_chunks(url, webhook, b"x" * (MAX_BODY_BYTES + 1)) == 413
    assert Delivery.objects.get().record_ids == {"applications": [1]}
    assert webhook.endpoint.rejected_count == 0
