"""Greenhouse answers after 25 seconds: a web process goes on serving everybody."""

from __future__ import annotations

import http.client
import threading
import time
from collections.abc import Iterator

import pytest
from django.test import Client
from django.urls import reverse

from integrations.greenhouse.sandbox import Sandbox
from tests.demo_process import find_free_port
from tests.personas import Personas
from tests.portal.applications.action_helpers import list_applications
from tests.server_processes import make_environment, responds, run_process, wait_until

LATENCY_MS = 25_000
SLOW = "Greenhouse is slow right now. Still trying."
# Three seconds for Greenhouse, a second time for whoever had to wait for a thread; the rest is for
# a busy machine.
MAX_SECONDS = 12


@pytest.fixture
def port(personas: Personas, sandbox: Sandbox, connect) -> Iterator[int]:
    connect()
    number = find_free_port()
    environment = make_environment(sandbox, WEB_PORT=str(number), WEB_THREADS="4", DEBUG="true")
    with run_process("-m", "gunicorn", environment=environment):
        wait_until(lambda: responds(f"http://127.0.0.1:{number}"))
        yield number


def _get_page(port: int, path: str, browser: Client | None = None) -> tuple[float, str]:
    """Returns the seconds that it took, and the page."""
    cookies = (
        "; ".join(f"{name}={morsel.value}" for name, morsel in browser.cookies.items())
        if (browser)
        else ""
    )
    started_at = time.monotonic()
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=90)
    try:
        connection.request("GET", path, headers={"Cookie": cookies})
        response = connection.getresponse()
        text = response.read().decode()
        assert response.status == 200, text
    finally:
        connection.close()
    return time.monotonic() - started_at, text


@pytest.mark.slow("starts a web server process")
def test_slow_reads_leave_threads_free(
    personas: Personas, sandbox: Sandbox, sign_in, port: int
) -> None:
    remy = sign_in(personas.remy)
    names = ("resume", "stage_history")
    paths = [
        reverse(f"applications:{names[number % 2]}", args=[application.pk])
        for number, application in enumerate((list_applications() * 10)[:10])
    ]
    requisitions = reverse("jobs:list")
    _get_page(port, requisitions, remy)  # a process's first page takes longer
    sandbox.faults.add_fault(latency_ms=LATENCY_MS, times=None)
    results: list[tuple[float, str]] = []
    threads = [
        threading.Thread(target=lambda path=path: results.append(_get_page(port, path, remy)))
        for path in paths
    ]
    for thread in threads:
        thread.start()
    assert _get_page(port, "/healthz")[0] < 1
    assert _get_page(port, requisitions, remy)[0] < MAX_SECONDS
    for thread in threads:
        thread.join()
    assert len(results) == len(paths)
    assert all(SLOW in page for _, page in results)
    assert max(seconds for seconds, _ in results) < MAX_SECONDS
