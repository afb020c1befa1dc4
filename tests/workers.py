"""Worker processes as they run in production, on the database and the broker of the tests."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from django.conf import settings
from django.db import connection

from tests.demo_process import PROJECT


class WorkerProcesses:
    """So many `qcluster`s with a worker process each, while the block lasts."""

    def __init__(self, count: int) -> None:
        self._env = {
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "portal.settings",
            "DATABASE_URL": get_database_url(),
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
    def alive_count(self) -> int:
        """How many of them have not ended by themselves."""
        return sum(process.poll() is None for process in self._running)

    def kill_idle_processes(self) -> None:
        """Kill what the guard of each cluster started: workers, pusher and monitor."""
        for cluster in self._running:
            [guard] = _list_children(cluster.pid)
            for pid in _list_children(guard):
                os.kill(pid, signal.SIGKILL)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for process in self._running:  # with their worker processes: each has a session of its own
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def get_database_url() -> str:
    database = connection.settings_dict
    if connection.vendor == "sqlite":
        return f"sqlite:///{database['NAME']}"
    host_and_port = f"{database['HOST'] or '127.0.0.1'}:{database['PORT'] or 5432}"
    password = f":{database['PASSWORD']}" if database["PASSWORD"] else ""
    return f"postgres://{database['USER']}{password}@{host_and_port}/{database['NAME']}"


def _list_children(pid: int) -> list[int]:
    return list(map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split()))
