"""SIGTERM lets running work finish and starts nothing new."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import httpx
import pytest
from django.conf import settings
from django.db import connection, connections
from django.test import Client
from django.urls import reverse

from integrations.greenhouse.sandbox import Sandbox
from portal.applications.models import ApplicationAction
from portal.connections.models import Connection, Credential
from tests import queue
from tests.conftest import V3
from tests.demo_process import PROJECT, find_free_port
from tests.personas import Personas
from tests.portal.applications.action_helpers import list_applications, list_writes, submit_action

LATENCY_MS = 1500  # long enough for SIGTERM to arrive during the request
TIMEOUT_SECONDS = 60


def _make_environment(sandbox: Sandbox, **more: str) -> dict[str, str]:
    """This process's environment with the test's database and sandbox."""
    database = connection.settings_dict
    url = f"sqlite:///{database['NAME']}"
    if connection.vendor == "postgresql":
        login = database["USER"] + (f":{database['PASSWORD']}" if database["PASSWORD"] else "")
        url = f"postgres://{login}@{database['HOST']}:{database['PORT']}/{database['NAME']}"
    return {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "portal.settings",
        "DATABASE_URL": url,
        "GREENHOUSE_API_URL": sandbox.url,
        "GREENHOUSE_AUTH_URL": sandbox.url,
        "QUEUE_WORKERS": "1",
        "WEB_WORKERS": "1",
        **more,
    }


@contextmanager
def _run_process(*command: str, environment: dict[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(  # noqa: S603  (ours)
        [sys.executable, *command], cwd=PROJECT, env=environment, start_new_session=True
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _wait_until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + TIMEOUT_SECONDS
    while not condition():
        assert time.monotonic() < deadline, "condition was never met"
        time.sleep(0.05)


@pytest.mark.slow("starts a worker process")
def test_worker_sigterm_finishes_current_task(
    connect, personas: Personas, sandbox: Sandbox, sign_in, run_tasks
) -> None:
    connect()
    first, second = list_applications()[:2]
    remy = sign_in(personas.remy)
    submit_action(remy, "advance", first)
    sandbox.faults.add_fault(
        "/v3/applications", kind="latency", latency_ms=LATENCY_MS, times=1, method="POST"
    )
    status = ApplicationAction.Status
    with _run_process("manage.py", "qcluster", environment=_make_environment(sandbox)) as cluster:
        _wait_until(lambda: ApplicationAction.objects.get().status == status.SENDING)
        cluster.send_signal(signal.SIGTERM)
        submit_action(remy, "advance", second)
        assert cluster.wait(timeout=TIMEOUT_SECONDS) == 0
    connections.close_all()
    finished, waiting = ApplicationAction.objects.order_by("pk")
    assert finished.status == status.DONE
    assert waiting.status in {status.QUEUED, status.DONE}
    run_tasks()  # another worker
    assert ApplicationAction.objects.filter(status=status.DONE).count() == 2
    assert len(list_writes(sandbox)) == 2
    assert queue.list_queued_tasks() == []


@pytest.mark.slow("starts a web server process")
def test_web_sigterm_finishes_open_request(personas: Personas, sandbox: Sandbox, sign_in) -> None:
    """A credential is being tested in Greenhouse when the server is told to stop."""
    ada: Client = sign_in(personas.ada)
    page = ada.get(reverse("onboarding:credential"))
    token = page.context["csrf_token"]
    cookies = {name: morsel.value for name, morsel in ada.cookies.items()}
    port = find_free_port()
    url = f"http://127.0.0.1:{port}"
    sandbox.faults.add_fault("/token", kind="latency", latency_ms=LATENCY_MS, times=1)
    responses: list[httpx.Response] = []

    def submit_credential() -> None:
        responses.append(
            httpx.post(
                f"{url}{reverse('onboarding:credential')}",
                data={**V3, "csrfmiddlewaretoken": token},
                cookies={**cookies, settings.CSRF_COOKIE_NAME: _csrf_cookie(ada)},
                timeout=TIMEOUT_SECONDS,
            )
        )

    environment = _make_environment(sandbox, WEB_PORT=str(port))
    with _run_process("-m", "gunicorn", environment=environment) as web:
        _wait_until(lambda: _responds(url))
        request_count = len(list(sandbox.requests))
        request_thread = threading.Thread(target=submit_credential)
        request_thread.start()
        _wait_until(
            lambda: len(list(sandbox.requests)) > request_count or not request_thread.is_alive()
        )
        web.send_signal(signal.SIGTERM)
        request_thread.join(TIMEOUT_SECONDS)
        assert web.wait(timeout=TIMEOUT_SECONDS) == 0
    connections.close_all()
    assert [response.status_code for response in responses] == [302]
    assert Credential.objects.get().connection == Connection.objects.get()
    assert not _responds(url)


def _csrf_cookie(client: Client) -> str:
    return client.cookies[settings.CSRF_COOKIE_NAME].value


def _responds(url: str) -> bool:
    try:
        return httpx.get(f"{url}/healthz", timeout=5).is_success
    except httpx.TransportError:
        return False
