"""The program `python -m integrations.greenhouse.sandbox`."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from integrations.greenhouse.sandbox import ACME_V1_KEY, Sandbox

ROOT = Path(__file__).resolve().parents[4]


@contextmanager
def _start_sandbox(*options: str) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "integrations.greenhouse.sandbox", *options]
    with subprocess.Popen(  # noqa: S603  (our own program)
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            yield process
        finally:
            process.kill()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_program_prints_url_and_stops_on_signal(tmp_path: Path, number: int) -> None:
    file = tmp_path / "state.json"
    with _start_sandbox("--port", "0", "--jobs", "6", "--state", str(file)) as process:
        assert process.stdout
        assert process.stderr
        first = process.stdout.readline()
        url = re.search(r"http://127\.0\.0\.1:\d+", first)
        assert url, first
        answer = httpx.get(f"{url[0]}/v1/jobs", auth=(ACME_V1_KEY, ""), timeout=60)
        assert len(answer.json()) == 6
        process.send_signal(number)
        assert process.wait(timeout=300) == 0
        assert ACME_V1_KEY in process.stdout.read()
        assert process.stderr.read() == ""
    assert file.exists()


def test_taken_port_is_reported_in_one_line() -> None:
    with Sandbox() as sandbox, _start_sandbox("--port", str(sandbox.port)) as process:
        _, errors = process.communicate(timeout=300)
    assert process.returncode == 1
    line = r"Cannot listen on 127\.0\.0\.1:\d+: .* Choose another with --port\.\n"
    assert re.fullmatch(line, errors)


def test_broken_state_file_is_reported_in_one_line(tmp_path: Path) -> None:
    file = tmp_path / "state.json"
    file.write_text("{")
    with _start_sandbox("--port", "0", "--state", str(file)) as process:
        _, errors = process.communicate(timeout=300)
    assert process.returncode == 1
    assert len(errors.splitlines()) == 1
    assert "state.json" in errors
