"""Worker processes as they run in production, on the database and the broker of the tests."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import suppress
from types import TracebackType
from typing import Self

from django.conf import settings
from django.db import connection

from tests.launched import PROJECT


class Workers:
    """So many `qcluster`s with a worker process each, while the block lasts."""

    def __init__(self, count: int) -> None:
        self._env = {
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "portal.settings",
            "DATABASE_URL": database_url(),
            "REDIS_URL": settings.REDIS_URL or "none",
            "QUEUE_NAME": settings.Q_CLUSTER["name"],
            "QUEUE_WORKERS": "1",
            "GREENHOUSE_API_URL": settings.GREENHOUSE_API_URL,
            "GREENHOUSE_AUTH_URL": settings.GREENHOUSE_AUTH_URL,
        }
        self._count = count
        self._running: list[subprocess.Popen[bytes]] = []

    def __enter__(self) -> Self:
        for _ in range(self._count):
            self._running.append(
                subprocess.Popen(
                    [sys.executable, "manage.py", "qcluster"],
                    cwd=PROJECT,
                    env=self._env,
                    start_new_session=True,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                )
            )
        return self

    @property
    def alive(self) -> int:
        """How many of them have not ended by themselves."""
        return sum(one.poll() is None for one in self._running)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for one in self._running:  # with their worker processes: each has a session of its own
            with suppress(ProcessLookupError):
                os.killpg(one.pid, signal.SIGKILL)
            one.wait()


def database_url() -> str:
    found = connection.settings_dict
    if connection.vendor == "sqlite":
        return f"sqlite:///{found['NAME']}"
    where = f"{found['HOST'] or '127.0.0.1'}:{found['PORT'] or 5432}"
    secret = f":{found['PASSWORD']}" if found["PASSWORD"] else ""
    return f"postgres://{found['USER']}{secret}@{where}/{found['NAME']}"
