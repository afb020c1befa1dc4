"""Clients that send or read slowly occupy no thread of a web process, without a proxy too."""

from __future__ import annotations

import http.client
import os
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests.demo_process import PROJECT, find_free_port
from tests.server_processes import responds, run_process, wait_until

pytestmark = pytest.mark.slow("starts a web server process")

CLIENT_COUNT = 12
LARGE_FILE = "/static/django_htmx/htmx-2.js"  # about 170 kB
HALF_HEADERS = b"GET /sign-in/ HTTP/1.1\r\nHost: localhost\r\nX-Half: "
POST = b"POST /sign-in/ HTTP/1.1\r\nHost: localhost\r\n"
FORM = b"Content-Type: application/x-www-form-urlencoded\r\n"
HALF_BODY = POST + FORM + b"Content-Length: 500\r\n\r\nlogin=a"
HALF_CHUNK = POST + FORM + b"Transfer-Encoding: chunked\r\n\r\n20\r\nlogin=a"
CLOSING = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
OTHER_CLIENT = {"X-Forwarded-For": "192.0.2.1"}
HEALTH = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"


def _build_environment(port: int) -> dict[str, str]:
    return {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "portal.settings",
        "DEBUG": "true",
        "DATABASE_URL": "sqlite://:memory:",
        "REDIS_URL": "none",
        "WEB_PORT": str(port),
        "WEB_WORKERS": "1",
        "WEB_THREADS": "2",
    }


@pytest.fixture(scope="module")
def server() -> Iterator[int]:
    """The port of a web server with one process and two threads."""
    port = find_free_port()
    with run_process("-m", "gunicorn", environment=_build_environment(port)):
        wait_until(lambda: responds(f"http://127.0.0.1:{port}"))
        yield port


def _connect(port: int, request: bytes, *, receive_buffer: int = 0) -> socket.socket:
    client = socket.socket()
    if receive_buffer:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    client.settimeout(30)
    client.connect(("127.0.0.1", port))
    client.sendall(request)
    return client


@contextmanager
def _occupy(port: int, request: bytes, **options: int) -> Iterator[list[socket.socket]]:
    with ExitStack() as stack:
        yield [stack.enter_context(_connect(port, request, **options)) for _ in range(CLIENT_COUNT)]


def _measure_page(port: int, path: str) -> float:
    started_at = time.monotonic()
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    try:
        connection.request("GET", path, headers=OTHER_CLIENT)
        response = connection.getresponse()
        assert (response.status, bool(response.read())) == (200, True)
    finally:
        connection.close()
    return time.monotonic() - started_at


def _drip(client: socket.socket) -> None:
    for _ in range(100):
        client.sendall(b"a")
        time.sleep(0.1)


def _read_to_end(client: socket.socket) -> bytes:
    pieces = []
    while piece := client.recv(65536):
        pieces.append(piece)
    return b"".join(pieces)


def _read_health(client: socket.socket) -> bytes:
    received = b""
    while not received.endswith(b"\r\n0\r\n\r\n"):
        piece = client.recv(65536)
        assert piece, received
        received += piece
    return received


@pytest.mark.parametrize(
    "request_bytes",
    [b"", HALF_HEADERS, HALF_BODY, HALF_CHUNK, CLOSING],
    ids=["silent", "half headers", "half body", "half chunk", "not closing"],
)
def test_half_sent_requests_occupy_no_thread(server: int, request_bytes: bytes) -> None:
    with _occupy(server, request_bytes):
        assert _measure_page(server, "/healthz") < 1
        assert _measure_page(server, "/static/css/portal.css") < 1


def test_idle_connections_occupy_no_thread(server: int) -> None:
    with ExitStack() as stack:
        clients = [stack.enter_context(_connect(server, HEALTH)) for _ in range(20)]
        for client in clients:
            assert _read_health(client).startswith(b"HTTP/1.1 200")
        time.sleep(2.5)  # longer than gunicorn's default
        assert _measure_page(server, "/healthz") < 1
        assert _measure_page(server, "/static/css/portal.css") < 1
        for client in clients:
            client.sendall(HEALTH)
            assert _read_health(client).startswith(b"HTTP/1.1 200")


def test_slow_readers_occupy_no_thread(server: int) -> None:
    request = f"GET {LARGE_FILE} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode() * 32
    with _occupy(server, request, receive_buffer=4096) as clients:
        time.sleep(0.2)
        assert _measure_page(server, "/healthz") < 1
        assert _measure_page(server, "/static/css/portal.css") < 1
        assert clients[0].recv(100).startswith(b"HTTP/1.1 200")


def test_slow_request_is_answered_once_complete(server: int) -> None:
    with _connect(server, HEALTH[:20]) as client:
        for byte in HEALTH[20:]:
            client.sendall(bytes([byte]))
        assert _read_health(client).startswith(b"HTTP/1.1 200")
        client.sendall(HEALTH + HEALTH[:9])  # the connection stays open, for several at once
        assert _read_health(client).startswith(b"HTTP/1.1 200")
        client.sendall(HEALTH[9:])
        assert _read_health(client).startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize(
    ("body_headers", "pieces"),
    [
        (b"Content-Length: 12\r\n\r\n", [b"login", b"=a@b.c", b"d"]),
        (b"Transfer-Encoding: chunked\r\n\r\n", [b"7\r\nlogin=a", b"\r", b"\n0\r\n", b"\r\n"]),
        (b"Expect: 100-continue\r\nContent-Length: 7\r\n\r\n", [b"login=a"]),
    ],
    ids=["length", "chunks", "expects 100"],
)
def test_body_in_pieces_reaches_the_page(
    server: int, body_headers: bytes, pieces: list[bytes]
) -> None:
    with _connect(server, POST + FORM + b"Connection: close\r\n" + body_headers) as client:
        if b"Expect" in body_headers:
            assert client.recv(25) == b"HTTP/1.1 100 Continue\r\n\r\n"
        for piece in pieces:
            time.sleep(0.02)
            client.sendall(piece)
        assert b" 403 " in _read_to_end(client)  # the form's token is missing


def test_oversized_body_refused_unread(server: int) -> None:
    size = 50 * 1024 * 1024
    with _connect(server, POST + FORM + f"Content-Length: {size}\r\n\r\n".encode()) as client:
        assert client.recv(20).startswith(b"HTTP/1.1 4")
    with _connect(server, POST + FORM + b"Transfer-Encoding: chunked\r\n\r\n") as client:
        for _ in range(20):
            client.sendall(b"10000\r\n" + b"a" * 0x10000 + b"\r\n")
        assert client.recv(20).startswith(b"HTTP/1.1 4")
    assert _measure_page(server, "/healthz") < 1


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"nonsense\r\n\r\n",
        HALF_CHUNK.replace(b"20", b"zz"),
        b"GET / HTTP/1.1\r\nX: " + b"a" * 70000,
    ],
    ids=["no request", "no chunk", "long header"],
)
def test_malformed_request_refused(server: int, request_bytes: bytes) -> None:
    with _connect(server, request_bytes) as client:
        response = _read_to_end(client)
    assert not response or response.startswith(b"HTTP/1.1 4")


@contextmanager
def _serve_with(tmp_path: Path, options: str) -> Iterator[int]:
    """Serve with these lines after our own configuration; yield the port."""
    config = tmp_path / "gunicorn.conf.py"
    config.write_text(
        f"exec(open({str(PROJECT / 'gunicorn.conf.py')!r}).read())\n"
        f"from portal.web import buffering_worker\n{options}\n"
    )
    port = find_free_port()
    with run_process("-m", "gunicorn", "-c", str(config), environment=_build_environment(port)):
        wait_until(lambda: responds(f"http://127.0.0.1:{port}"))
        yield port


def test_idle_connections_are_bounded(tmp_path: Path) -> None:
    with _serve_with(tmp_path, "worker_connections = 10") as port, ExitStack() as stack:
        unfinished = stack.enter_context(_connect(port, HEALTH[:20]))
        clients = []
        for _ in range(20):
            clients.append(stack.enter_context(_connect(port, HEALTH)))
            assert _read_health(clients[-1]).startswith(b"HTTP/1.1 200")
        assert clients[0].recv(1) == b"", "the longest idle connection is closed first"
        assert _measure_page(port, "/healthz") < 1
        unfinished.sendall(HEALTH[20:])
        assert _read_health(unfinished).startswith(b"HTTP/1.1 200")


def test_unfinished_request_ends_at_timeout(tmp_path: Path) -> None:
    with (
        _serve_with(tmp_path, "buffering_worker.REQUEST_TIMEOUT = 1.0") as port,
        _connect(port, HALF_HEADERS) as silent,
        _connect(port, HALF_BODY) as dripping,
    ):
        assert silent.recv(1) == b""
        with pytest.raises(OSError, match=r"reset|Broken pipe"):
            _drip(dripping)
