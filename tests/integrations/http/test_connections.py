"""HTTP connections are reused within a process; cookies are not."""

from __future__ import annotations

import multiprocessing
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from integrations.http.client import HttpClient


class _Server(ThreadingHTTPServer):
    """Records the callers' ports and cookies."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.ports: list[int] = []
        self.cookies: list[str | None] = []
        self.encodings: list[str | None] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def do_GET(self) -> None:
        self.server.ports.append(self.client_address[1])
        self.server.cookies.append(self.headers.get("Cookie"))
        self.server.encodings.append(self.headers.get("Accept-Encoding"))
        self.send_response(200)
        self.send_header("Set-Cookie", "customer=acme; Path=/")
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[_Server]:
    with _Server() as running:
        threading.Thread(target=running.serve_forever, args=(0.01,), daemon=True).start()
        yield running
        running.shutdown()


def _send_get(url: str) -> bytes:
    return HttpClient().send("GET", url, headers={}).body


def test_connection_is_reused(server: _Server) -> None:
    assert [_send_get(server.url) for _ in range(3)] == [b"ok"] * 3
    assert len(set(server.ports)) == 1


def test_cookies_are_not_shared(server: _Server) -> None:
    for _ in range(2):
        _send_get(server.url)
    assert server.cookies == [None, None]


def test_forked_worker_opens_own_connection(server: _Server) -> None:
    _send_get(server.url)
    worker = multiprocessing.get_context("fork").Process(target=_send_get, args=(server.url,))
    worker.start()
    worker.join(10)
    _send_get(server.url)
    assert worker.exitcode == 0
    first, forked, reused = server.ports
    assert forked != first == reused


def test_only_readable_encodings_are_accepted(server: _Server) -> None:
    """Also where Brotli is installed, which compresses the static files."""
    _send_get(server.url)
    assert server.encodings == ["gzip, deflate"]
