"""SIGTERM, as systemd and containers send it: what is under way is ended, nothing new is begun."""

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
from django.conf import settings
from django.db import connection, connections
from django.test import Client
from django.urls import reverse

from integrations.greenhouse.sandbox import Sandbox
from portal.applications.models import ApplicationAction
from portal.connections.models import Connection, Credential
from tests import queue
from tests.cast import Cast
from tests.conftest import V3
from tests.launched import PROJECT, free_port
from tests.portal.applications.clicking import applications, click, writes

SLOW = 1500  # milliseconds that Greenhouse takes, so that SIGTERM comes in the middle
PATIENCE = 60


def _environment(sandbox: Sandbox, **more: str) -> dict[str, str]:
    """As this process has it, and this test's own database and Greenhouse."""
    database = connection.settings_dict
    url = f"sqlite:///{database['NAME']}"
    if connection.vendor == "postgresql":
        whom = database["USER"] + (f":{database['PASSWORD']}" if database["PASSWORD"] else "")
        url = f"postgres://{whom}@{database['HOST']}:{database['PORT']}/{database['NAME']}"
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
def _running(*command: str, environment: dict[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(  # noqa: S603  (ours)
        [sys.executable, *command], cwd=PROJECT, env=environment, start_new_session=True
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _until(what: Callable[[], object]) -> None:
    """Wait for it to become true; how fast the machine is decides nothing."""
    ends = time.monotonic() + PATIENCE
    while not what():
        assert time.monotonic() < ends, "it never came"
        time.sleep(0.05)


def test_a_worker_ends_its_task_and_leaves_the_others_in_the_queue(
    connect, cast: Cast, sandbox: Sandbox, sign_in, work
) -> None:
    connect()
    first, second = applications()[:2]
    remy = sign_in(cast.remy)
    click(remy, "advance", first)
    sandbox.faults.add("/v3/applications", kind="latency", latency_ms=SLOW, times=1, method="POST")
    status = ApplicationAction.Status
    with _running("manage.py", "qcluster", environment=_environment(sandbox)) as cluster:
        _until(lambda: ApplicationAction.objects.get().status == status.SENDING)
        cluster.send_signal(signal.SIGTERM)
        click(remy, "advance", second)
        assert cluster.wait(timeout=PATIENCE) == 0
    connections.close_all()
    ended, waits = ApplicationAction.objects.order_by("pk")
    assert ended.status == status.DONE
    assert waits.status in {status.QUEUED, status.DONE}
    work()  # another worker
    assert ApplicationAction.objects.filter(status=status.DONE).count() == 2
    assert len(writes(sandbox)) == 2
    assert queue.queued() == []


def test_web_ends_the_request_that_is_under_way(cast: Cast, sandbox: Sandbox, sign_in) -> None:
    """A credential is tried at Greenhouse while its owner looks on; meanwhile comes a release."""
    ada: Client = sign_in(cast.ada)
    page = ada.get(reverse("onboarding:credential"))
    token = page.context["csrf_token"]
    cookies = {name: morsel.value for name, morsel in ada.cookies.items()}
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    sandbox.faults.add("/token", kind="latency", latency_ms=SLOW, times=1)
    answered: list[httpx.Response] = []

    def paste() -> None:
        answered.append(
            httpx.post(
                f"{url}{reverse('onboarding:credential')}",
                data={**V3, "csrfmiddlewaretoken": token},
                cookies={**cookies, settings.CSRF_COOKIE_NAME: _csrf(ada)},
                timeout=PATIENCE,
            )
        )

    environment = _environment(sandbox, WEB_PORT=str(port))
    with _running("-m", "gunicorn", environment=environment) as web:
        _until(lambda: _answers(url))
        asked = len(list(sandbox.requests))
        request = threading.Thread(target=paste)
        request.start()
        _until(lambda: len(list(sandbox.requests)) > asked or not request.is_alive())
        web.send_signal(signal.SIGTERM)
        request.join(PATIENCE)
        assert web.wait(timeout=PATIENCE) == 0
    connections.close_all()
    assert [answer.status_code for answer in answered] == [302]
    assert Credential.objects.get().connection == Connection.objects.get()
    assert not _answers(url)


def _csrf(client: Client) -> str:
    return client.cookies[settings.CSRF_COOKIE_NAME].value


def _answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/healthz", timeout=5).is_success
    except httpx.TransportError:
        return False
