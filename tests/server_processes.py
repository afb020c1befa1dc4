"""Web servers and workers as they run in production, on the test's database and sandbox."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import httpx

from integrations.greenhouse.sandbox import Sandbox
from tests.demo_process import PROJECT
from tests.workers import get_database_url

TIMEOUT_SECONDS = 60


def make_environment(sandbox: Sandbox, **more: str) -> dict[str, str]:
    return {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "portal.settings",
        "DATABASE_URL": get_database_url(),
        "GREENHOUSE_API_URL": sandbox.url,
        "GREENHOUSE_AUTH_URL": sandbox.url,
        "QUEUE_WORKERS": "1",
        "WEB_WORKERS": "1",
        **more,
    }


@contextmanager
def run_process(*command: str, environment: dict[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(  # noqa: S603  (ours)
        [sys.executable, *command], cwd=PROJECT, env=environment, start_new_session=True
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def wait_until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + TIMEOUT_SECONDS
    while not condition():
        assert time.monotonic() < deadline, "condition was never met"
        time.sleep(0.05)


def responds(url: str) -> bool:
    try:
        return httpx.get(f"{url}/healthz", timeout=5).is_success
    except httpx.TransportError:
        return False
