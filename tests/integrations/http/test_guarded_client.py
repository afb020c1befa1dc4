"""Hosts that customers choose: public ones only, and within limits."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import httpcore
import pytest

from integrations.http.guarded_client import GuardedClient, RequestRefused, check_url
from integrations.http.public_addresses import is_public
from tests.name_lookups import replace_name_lookups

PRIVATE_ADDRESSES = [
    "0.0.0.0", "10.1.2.3", "100.64.0.1", "100.100.100.200", "127.0.0.1", "127.8.8.8",  # noqa: S104
    "168.63.129.16", "169.254.169.254", "172.16.0.1", "172.31.255.255", "192.0.2.1",
    "192.168.1.1", "198.18.0.1", "224.0.0.1", "240.0.0.1", "255.255.255.255",
    "::", "::1", "::127.0.0.1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:169.254.169.254",
    "64:ff9b::127.0.0.1", "64:ff9b::10.0.0.1", "64:ff9b:1::1", "2001:0:7f00:1::", "2001:db8::1",
    "2002:7f00:1::", "2002:a00:1::", "fc00::1", "fd00:ec2::254", "fe80::1", "fe80::1%1",
    "fec0::1", "ff02::1",
]  # fmt: skip
PUBLIC_ADDRESSES = ["93.184.216.34", "2606:2800:220:1::1", "::ffff:8.8.8.8", "64:ff9b::8.8.8.8"]


def _answer_names(monkeypatch: pytest.MonkeyPatch, *answers: list[str]) -> list[str]:
    """Each lookup gets the next answer; returns the names that were looked up."""
    names: list[str] = []

    def resolve(host: str, port: int) -> list[tuple]:
        names.append(host)
        addresses = answers[min(len(names), len(answers)) - 1]
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (a, port)) for a in addresses]

    replace_name_lookups(monkeypatch, resolve)
    return names


def _record_connections(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    addresses: list[str] = []

    def connect(_: object, host: str, *args: object, **kwargs: object) -> None:
        addresses.append(host)
        raise httpcore.ConnectError

    monkeypatch.setattr(httpcore.SyncBackend, "connect_tcp", connect)
    return addresses


@contextmanager
def _serve(respond: Callable[[socket.socket], None]) -> Iterator[str]:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def run() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(65536)
                with suppress(OSError):
                    respond(connection)

        threading.Thread(target=run, daemon=True).start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}/"


def _build_response(head: str, body: bytes) -> bytes:
    return f"HTTP/1.1 {head}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body


@pytest.mark.parametrize("address", PRIVATE_ADDRESSES)
def test_private_address_is_not_public(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", PUBLIC_ADDRESSES)
def test_public_address_is_public(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize("address", PRIVATE_ADDRESSES)
def test_name_of_private_address_is_refused(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    _answer_names(monkeypatch, [address])
    connections = _record_connections(monkeypatch)
    with pytest.raises(RequestRefused, match=r"idp\.example isn't on the public internet"):
        GuardedClient().send("GET", "https://idp.example/")
    assert connections == []


def test_one_private_address_among_public_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    _answer_names(monkeypatch, ["93.184.216.34", "10.0.0.1"])
    connections = _record_connections(monkeypatch)
    with pytest.raises(RequestRefused, match="public internet"):
        GuardedClient().send("GET", "https://idp.example/")
    assert connections == []


def test_rebound_name_reaches_checked_address(monkeypatch: pytest.MonkeyPatch) -> None:
    names = _answer_names(monkeypatch, ["93.184.216.34"], ["127.0.0.1"])
    connections = _record_connections(monkeypatch)
    with pytest.raises(RequestRefused, match=r"Couldn't reach idp\.example"):
        GuardedClient().send("GET", "https://idp.example/")
    assert (names, connections) == (["idp.example"], ["93.184.216.34"])


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "[::1]", "2130706433", "0x7f.1", "0177.0.0.1", "localhost", "127.1"]
)
def test_loopback_in_any_spelling_is_refused(host: str) -> None:
    with pytest.raises(RequestRefused):
        GuardedClient().send("GET", f"https://{host}/")


@pytest.mark.parametrize(
    "url",
    [
        "http://idp.example/", "ftp://idp.example/", "file:///etc/passwd", "//idp.example/", "",
        "https://", "https://user:secret@idp.example/", "https://[::1", "javascript:alert(1)",
    ],
)  # fmt: skip
def test_only_plain_https_urls(url: str) -> None:
    with pytest.raises(RequestRefused, match="starts with https://"):
        check_url(url)


def test_unknown_name_is_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise socket.gaierror(-2, "Name or service not known")

    replace_name_lookups(monkeypatch, fail)
    with pytest.raises(RequestRefused, match=r"^Couldn't reach idp\.example\.$"):
        GuardedClient().send("GET", "https://idp.example/")


def test_slow_name_server_ends_at_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    released = threading.Event()
    replace_name_lookups(monkeypatch, lambda *_: released.wait(10) and [])
    started = time.monotonic()
    with pytest.raises(RequestRefused, match="took too long"):
        GuardedClient(max_seconds=0.1).send("GET", "https://idp.example/")
    released.set()
    assert time.monotonic() - started < 5


def test_local_service_reached_where_allowed() -> None:
    body = json.dumps({"issuer": "x"}).encode()
    with _serve(lambda c: c.sendall(_build_response("200 OK", body))) as url:
        response = GuardedClient(allow_local=True).send("GET", url)
    assert (response.status, response.body) == (200, body)


def test_local_setting_allows_no_private_network(monkeypatch: pytest.MonkeyPatch) -> None:
    _answer_names(monkeypatch, ["10.0.0.1"])
    with pytest.raises(RequestRefused, match="public internet"):
        GuardedClient(allow_local=True).send("GET", "http://idp.example/")


@pytest.mark.parametrize("location", ["http://169.254.169.254/", "https://other.example/", "/x"])
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirect_is_not_followed(location: str, status: int) -> None:
    head = f"{status} Moved\r\nLocation: {location}"
    with (
        _serve(lambda c: c.sendall(_build_response(head, b""))) as url,
        pytest.raises(RequestRefused, match="redirects to another address"),
    ):
        GuardedClient(allow_local=True).send("GET", url)


def test_huge_body_is_refused() -> None:
    with (
        _serve(lambda c: c.sendall(_build_response("200 OK", b"x" * 5000))) as url,
        pytest.raises(RequestRefused, match="too large"),
    ):
        GuardedClient(allow_local=True, max_body_bytes=4096).send("GET", url)


def test_stacked_compression_is_refused() -> None:
    head = "200 OK\r\nContent-Encoding: gzip, gzip"
    with (
        _serve(lambda c: c.sendall(_build_response(head, b"x"))) as url,
        pytest.raises(RequestRefused, match="can't be read"),
    ):
        GuardedClient(allow_local=True).send("GET", url)


@pytest.mark.parametrize("head", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n"])
def test_dripping_response_is_refused(head: bytes) -> None:
    def drip(connection: socket.socket) -> None:
        connection.sendall(head)
        while True:
            time.sleep(0.02)
            connection.sendall(b"x")

    with _serve(drip) as url, pytest.raises(RequestRefused, match="took too long"):
        GuardedClient(allow_local=True, max_seconds=0.2).send("GET", url)


def test_broken_response_is_a_sentence() -> None:
    with (
        _serve(lambda c: c.sendall(b"not HTTP at all\r\n\r\n")) as url,
        pytest.raises(RequestRefused, match=r"Couldn't reach 127\.0\.0\.1"),
    ):
        GuardedClient(allow_local=True).send("GET", url)
