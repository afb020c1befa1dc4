"""The demo as a person starts and ends it."""

from __future__ import annotations

import re
import socket
from pathlib import Path

import httpx
import pytest

from tests.launched import Launched, free_port

pytestmark = pytest.mark.demo


def _answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=60).is_success
    except httpx.TransportError:
        return False


def _descendants(pid: int) -> set[int]:
    """Every process that this one has started, and what those have."""
    path = Path(f"/proc/{pid}/task/{pid}/children")
    children = {int(child) for child in path.read_text().split()} if path.exists() else set()
    return children.union(*map(_descendants, children))


def test_it_starts_says_who_can_sign_in_ends_whole_and_goes_on(tmp_path: Path) -> None:
    ports = {"port": free_port(), "sandbox_port": free_port()}
    kept = []
    for _ in range(2):
        with Launched(tmp_path, **ports) as demo:
            said = demo.listen()
            assert demo.url in said
            assert re.search(r"^Started in .*, database \d+\.\d s,", said, re.MULTILINE)
            assert "remy@acme.example" in said
            addresses = (f"{demo.url}/healthz", f"{demo.greenhouse}/__stats")
            assert all(_answers(address) for address in addresses)
            kept.append((tmp_path / "keys.env").read_text())
            started = _descendants(demo.process.pid)
            if not kept[1:]:
                _another_one_says_that_this_one_runs(tmp_path)
            said = demo.interrupt()
        assert demo.process.returncode == 0, said
        assert not any(_answers(address) for address in addresses)
        assert not [pid for pid in started if Path(f"/proc/{pid}").exists()]
    assert kept[0] == kept[1]


def _another_one_says_that_this_one_runs(folder: Path) -> None:
    with Launched(folder) as another:
        assert "is running already" in another.listen()
        assert another.process.wait() != 0


@pytest.mark.parametrize("whose", ["port", "sandbox_port"])
def test_a_taken_port_is_said_with_the_way_out_before_anything_starts(
    tmp_path: Path, whose: str
) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = int(taken.getsockname()[1])
        with Launched(tmp_path, **{whose: port}) as demo:
            said = demo.listen()
            assert demo.process.wait() != 0
    assert f"Port {port} cannot be had" in said
    assert f"make demo {whose.upper()}=" in said
    assert not (tmp_path / "keys.env").exists()
