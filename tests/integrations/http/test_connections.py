"""Connections are kept for whoever is next in the process, and nothing else is."""

from __future__ import annotations

import multiprocessing
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from integrations.http.client import Http


class _Server(ThreadingHTTPServer):
    """Remembers who spoke to it: the callers' ports and the cookies they brought."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.ports: list[int] = []
        self.cookies: list[str | None] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def do_GET(self) -> None:
        self.server.ports.append(self.client_address[1])
        self.server.cookies.append(self.headers.get("Cookie"))
        self.send_response(200)
        self.send_header("Set-Cookie", "customer=acme; Path=/")
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[_Server]:
    with _Server() as made:
        threading.Thread(target=made.serve_forever, daemon=True).start()
        yield made
        made.shutdown()


def _ask(url: str) -> bytes:
    return Http().send("GET", url, headers={}).body


def test_the_next_one_to_ask_need_not_connect_anew(server: _Server) -> None:
    assert [_ask(server.url) for _ in range(3)] == [b"ok"] * 3
    assert len(set(server.ports)) == 1


def test_no_cookie_of_one_customer_reaches_another(server: _Server) -> None:
    for _ in range(2):
        _ask(server.url)
    assert server.cookies == [None, None]


def test_a_forked_worker_has_connections_of_its_own(server: _Server) -> None:
    _ask(server.url)
    worker = multiprocessing.get_context("fork").Process(target=_ask, args=(server.url,))
    worker.start()
    worker.join(10)
    _ask(server.url)
    assert worker.exitcode == 0
    first, forked, again = server.ports
    assert forked != first == again
