"""The demo as a person starts and ends it."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx

PROJECT = Path(__file__).resolve().parents[2]


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _start(folder: Path, port: int, sandbox_port: int) -> subprocess.Popen[str]:
    return subprocess.Popen(  # noqa: S603  (our own launcher)
        [
            *(sys.executable, "-m", "portal.demo", "--folder", str(folder)),
            *("--port", str(port), "--sandbox-port", str(sandbox_port)),
        ],
        cwd=PROJECT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def _answers(url: str) -> bool:
    try:
        return httpx.get(url).is_success
    except httpx.TransportError:
        return False


def _until_it_answers(url: str, running: subprocess.Popen[str]) -> None:
    for _ in range(400):
        if running.poll() is not None or _answers(url):
            break
        time.sleep(0.1)  # other processes start: there is no clock to move
    assert running.poll() is None, running.communicate()[0]


def test_it_starts_says_who_can_sign_in_ends_whole_and_goes_on(tmp_path: Path) -> None:
    port, sandbox_port = _free_port(), _free_port()
    addresses = (f"http://127.0.0.1:{port}/healthz", f"http://127.0.0.1:{sandbox_port}/__stats")
    kept = []
    for _ in range(2):
        with _start(tmp_path, port, sandbox_port) as running:
            _until_it_answers(addresses[0], running)
            assert all(_answers(address) for address in addresses)
            kept.append((tmp_path / "keys.env").read_text())
            time.sleep(1)  # it prints who can sign in once all of it answers
            running.send_signal(signal.SIGINT)
            said, _ = running.communicate(timeout=30)
        assert running.returncode == 0, said
        assert f"http://127.0.0.1:{port}" in said
        assert "remy@acme.example" in said
        assert not any(_answers(address) for address in addresses)
    assert kept[0] == kept[1]


def test_a_taken_port_is_said_with_the_way_out_before_anything_starts(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = int(taken.getsockname()[1])
        with _start(tmp_path, port, _free_port()) as running:
            said, _ = running.communicate(timeout=30)
    assert running.returncode != 0
    assert str(port) in said
    assert "PORT=" in said
    assert not (tmp_path / "keys.env").exists()
