"""Starting and stopping `python -m portal.demo`."""

from __future__ import annotations

import re
import socket
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from tests.demo_process import DemoProcess, find_free_port
from tests.server_processes import wait_until

pytestmark = pytest.mark.demo


def _is_answering(url: str) -> bool:
    try:
        return httpx.get(url, timeout=60).is_success
    except httpx.TransportError:
        return False


def _find_descendants(pid: int) -> set[int]:
    """Return the ids of all descendants of a process."""
    path = Path(f"/proc/{pid}/task/{pid}/children")
    children = {int(child) for child in path.read_text().split()} if path.exists() else set()
    return children.union(*map(_find_descendants, children))


def _await_end(pids: set[int]) -> None:
    """Killed with their group, grandchildren take a moment to end."""
    wait_until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in pids))


def test_demo_starts_stops_and_resumes(tmp_path: Path) -> None:
    ports = {"port": find_free_port(), "sandbox_port": find_free_port()}
    keys = []
    for _ in range(2):
        with DemoProcess(tmp_path, **ports) as demo:
            output = demo.read_startup_output()
            assert demo.url in output
            assert re.search(r"^Started in .*, database \d+\.\d s,", output, re.MULTILINE)
            assert "remy@acme.example" in output
            addresses = (f"{demo.url}/healthz", f"{demo.sandbox_url}/__stats")
            assert all(_is_answering(address) for address in addresses)
            keys.append((tmp_path / "keys.env").read_text())
            started = _find_descendants(demo.process.pid)
            if len(keys) == 1:
                _check_second_start_is_refused(tmp_path)
                assert "Stop it with Ctrl-C first" in _reset(tmp_path, exit_code=2)
            output = demo.stop_process()
        assert demo.process.returncode == 0, output
        assert not any(_is_answering(address) for address in addresses)
        _await_end(started)
    assert keys[0] == keys[1]
    assert "Deleted" in _reset(tmp_path, exit_code=0)
    assert not tmp_path.exists()


def _reset(folder: Path, *, exit_code: int) -> str:
    command = [sys.executable, "-m", "portal.demo", "--reset", "--folder", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    assert done.returncode == exit_code
    return done.stdout + done.stderr


def test_reset_deletes_only_a_demo(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    _reset(tmp_path, exit_code=0)
    assert (tmp_path / "thesis.txt").exists()


def _check_second_start_is_refused(folder: Path) -> None:
    with DemoProcess(folder) as another:
        assert "is running already" in another.read_startup_output()
        assert another.process.wait() != 0


@pytest.mark.parametrize("option", ["port", "sandbox_port"])
def test_taken_port_is_reported_before_start(tmp_path: Path, option: str) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = int(taken.getsockname()[1])
        with DemoProcess(tmp_path, **{option: port}) as demo:
            output = demo.read_startup_output()
            assert demo.process.wait() != 0
    assert f"Port {port} cannot be had" in output
    assert f"make demo {option.upper()}=" in output
    assert not (tmp_path / "keys.env").exists()
