"""SIGTERM lets running work finish and starts nothing new."""

from __future__ import annotations

import signal
import threading

import httpx
import pytest
from django.conf import settings
from django.db import connections
from django.test import Client
from django.urls import reverse

from integrations.greenhouse.sandbox import Sandbox
from portal.applications.models import ApplicationAction
from portal.connections.models import Connection, Credential
from tests import queue
from tests.conftest import V3
from tests.demo_process import find_free_port
from tests.personas import Personas
from tests.portal.applications.action_helpers import list_applications, list_writes, submit_action
from tests.server_processes import (
    TIMEOUT_SECONDS,
    make_environment,
    responds,
    run_process,
    wait_until,
)

LATENCY_MS = 1500  # long enough for SIGTERM to arrive during the request


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
    with run_process("manage.py", "qcluster", environment=make_environment(sandbox)) as cluster:
        wait_until(lambda: ApplicationAction.objects.get().status == status.SENDING)
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

    environment = make_environment(sandbox, WEB_PORT=str(port))
    with run_process("-m", "gunicorn", environment=environment) as web:
        wait_until(lambda: responds(url))
        request_count = len(list(sandbox.requests))
        request_thread = threading.Thread(target=submit_credential)
        request_thread.start()
        wait_until(
            lambda: len(list(sandbox.requests)) > request_count or not request_thread.is_alive()
        )
        web.send_signal(signal.SIGTERM)
        request_thread.join(TIMEOUT_SECONDS)
        assert web.wait(timeout=TIMEOUT_SECONDS) == 0
    connections.close_all()
    assert [response.status_code for response in responses] == [302]
    assert Credential.objects.get().connection == Connection.objects.get()
    assert not responds(url)


def _csrf_cookie(client: Client) -> str:
    return client.cookies[settings.CSRF_COOKIE_NAME].value
