"""A total deadline ends requests whose server drips, in the header or in the body."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from integrations.http.client import HttpClient, RequestNotSent, ResponseLost

HEADER = b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n"


@contextmanager
def _dripping_server(at_once: bytes) -> Iterator[str]:
    """Sends `at_once`, then a byte every 50 ms."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(65536)
                try:
                    connection.sendall(at_once)
                    while True:
                        time.sleep(0.05)
                        connection.sendall(b"x")
                except OSError:
                    pass

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}/"
        thread.join(5)


@pytest.mark.parametrize("at_once", [HEADER, b""], ids=["body", "header"])
def test_dripping_response_ends_at_deadline(at_once: bytes) -> None:
    started = time.monotonic()
    with _dripping_server(at_once) as url, pytest.raises(ResponseLost):
        HttpClient().send("GET", url, headers={}, max_total=0.5)
    assert time.monotonic() - started < 10


def test_passed_deadline_sends_nothing() -> None:
    with pytest.raises(RequestNotSent):
        HttpClient().send("GET", "http://127.0.0.1:9/", headers={}, max_total=0)


def test_refused_connection_is_not_sent() -> None:
    for max_total in (5, float("inf")):
        with pytest.raises(RequestNotSent):
            HttpClient().send("GET", "http://localhost:9/", headers={}, max_total=max_total)
