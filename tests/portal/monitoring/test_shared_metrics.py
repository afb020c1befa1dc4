"""Processes that share METRICS_DIR report their sum, whichever of them come and go."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.demo_process import PROJECT

# Measures one task, forks a process that measures two, and reports what all have measured.
PROGRAM = """
import django, os
django.setup()
from portal.core.observability import metrics
metrics.observe_task("a", succeeded=True, seconds=1)
metrics.GREENHOUSE_CALLERS.inc()
pid = os.fork()
if not pid:
    metrics.observe_task("a", succeeded=True, seconds=1)
    metrics.observe_task("a", succeeded=True, seconds=1)
    metrics.GREENHOUSE_CALLERS.inc()
    os._exit(0)  # as if killed
os.waitpid(pid, 0)
print(metrics.render_metrics().decode(), flush=True)
os._exit(0)
"""


def _run_program(folder: Path) -> dict[str, float]:
    environment = {
        "PATH": "/usr/bin:/bin",
        "DEBUG": "true",
        "DJANGO_SETTINGS_MODULE": "portal.settings",
        "METRICS_DIR": str(folder),
    }
    output = subprocess.run(  # noqa: S603  (ours)
        [sys.executable, "-c", PROGRAM],
        cwd=PROJECT,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    lines = re.findall(r"^(\w+)(?:\{.*\})? ([\d.]+)$", output, re.M)
    return {name: float(value) for name, value in lines}


@pytest.mark.slow("starts processes of their own, as a machine does")
def test_counters_go_on_after_processes_have_ended(tmp_path: Path) -> None:
    folder = tmp_path / "metrics"
    first = _run_program(folder)
    assert first["portal_task_seconds_count"] == 3
    files = {file.name for file in folder.iterdir()}
    second = _run_program(folder)
    assert second["portal_task_seconds_count"] == 6
    assert second["portal_greenhouse_callers"] == 2, "those of ended processes are over"
    assert {file.name for file in folder.iterdir()} == files
