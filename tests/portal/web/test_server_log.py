"""What web logs: JSON lines alone, gunicorn's included, and nothing that a client sent."""

from __future__ import annotations

import json
import socket
from pathlib import Path

import pytest

from tests.deploy.proxies import run_gunicorn

TOKEN = "token-of-an-invitation"
MALFORMED = (
    f"GET /invitations/{TOKEN}/ HTTP/1.1 again\r\n\r\n",
    f"GET /invitations/{TOKEN}/ HTTP/1.1\r\nHost: a\r\nbad header {TOKEN}: x\r\n\r\n",
    f"GET /invitations/{TOKEN}/ HTTP/1.1\r\nHost: a\r\nContent-Length: {TOKEN}\r\n\r\n",
)


def _send(port: int, request: str) -> None:
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.sendall(request.encode())
        connection.recv(1024)


@pytest.mark.slow("starts gunicorn, as in production")
@pytest.mark.django_db(transaction=True)
def test_every_line_is_json_without_what_clients_sent(tmp_path: Path, static_root: Path) -> None:
    with run_gunicorn(tmp_path, static_root, LOG_FORMAT="json") as port:
        for request in MALFORMED:
            _send(port, request)
        _send(port, f"GET /invitations/{TOKEN}/ HTTP/1.0\r\nHost: portal.example.com\r\n\r\n")
    text = (tmp_path / "gunicorn.log").read_text()
    lines = [json.loads(line) for line in text.splitlines()]
    events = [line["event"] for line in lines]
    assert any(event.startswith("Listening at") for event in events)
    assert events.count("Invalid request") > 0
    assert all({"level", "logger", "timestamp"} <= line.keys() for line in lines)
    assert TOKEN not in text
