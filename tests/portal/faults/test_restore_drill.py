"""The restore drill: dump, go on, restore, start workers, release. Nothing is sent twice.

On its own: DATABASE_URL=postgres://… make test ARGS="tests/portal/faults/test_restore_drill.py"
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg
import pytest
from django.db import connections

from integrations.greenhouse.sandbox import Sandbox
from portal.core import outbox_fence
from tests.demo_process import PROJECT
from tests.personas import Personas
from tests.portal.applications.action_helpers import list_applications, list_writes, submit_action
from tests.server_processes import make_environment, run_process, wait_until
from tests.workers import get_database_url

pytestmark = [pytest.mark.postgres, pytest.mark.django_db(transaction=True)]


class Backup:
    """A dump of the test's database, and the database that it is restored to."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self.url = f"{get_database_url()}_restored"

    def take(self) -> None:
        command = ["pg_dump", "--format", "custom", "--file", str(self._file), get_database_url()]
        subprocess.run(command, check=True)  # noqa: S603  (ours)

    def restore(self) -> None:
        self._run_on_server('CREATE DATABASE "{}"')
        command = ["pg_restore", "--no-owner", "--dbname", self.url, str(self._file)]
        subprocess.run(command, check=True)  # noqa: S603  (ours)

    def drop(self) -> None:
        self._run_on_server('DROP DATABASE IF EXISTS "{}" WITH (FORCE)')

    def read_value(self, query: str) -> Any:
        with closing(psycopg.connect(self.url, autocommit=True)) as opened:
            row = opened.execute(query).fetchone()  # type: ignore[arg-type]
            return row[0] if row else None

    def _run_on_server(self, statement: str) -> None:
        url = urlsplit(self.url)
        server = url._replace(path="/postgres").geturl()
        with closing(psycopg.connect(server, autocommit=True)) as opened:
            opened.execute(statement.format(url.path.strip("/")))  # type: ignore[arg-type]


@pytest.fixture
def backup(tmp_path: Path) -> Iterator[Backup]:
    backup = Backup(tmp_path / "portal.dump")
    backup.drop()
    yield backup
    backup.drop()


def _run_workers(backup: Backup, environment: dict[str, str]) -> None:
    """Start a cluster on the restored database until it was heard."""
    backup.read_value("DELETE FROM core_workerheartbeat RETURNING 1")
    with run_process("manage.py", "qcluster", environment=environment):
        heard = "SELECT count(*) FROM core_workerheartbeat WHERE heartbeat_at IS NOT NULL"
        wait_until(lambda: backup.read_value(heard))


@pytest.mark.slow("dumps and restores a database, and starts worker processes")
def test_restore_drill_sends_nothing_twice(
    connect, personas: Personas, sandbox: Sandbox, sign_in, run_tasks, backup: Backup
) -> None:
    connect()
    outbox_fence.remember_identity()
    application = list_applications()[0]
    submit_action(sign_in(personas.remy), "advance", application)
    backup.take()
    run_tasks()  # sent after the backup was taken
    assert len(list_writes(sandbox)) == 1
    connections.close_all()

    backup.restore()
    environment = make_environment(sandbox, DATABASE_URL=backup.url)
    _run_workers(backup, environment)
    status = "SELECT status FROM applications_applicationaction"
    assert backup.read_value(status) == "queued", "the workers took nothing"
    command = [sys.executable, "manage.py", "release_outbox"]
    released = subprocess.run(  # noqa: S603  (ours)
        command, cwd=PROJECT, env=environment, capture_output=True, text=True, check=True
    ).stdout
    assert "1 actions were compared with Greenhouse: 1 done." in released
    _run_workers(backup, environment)
    assert backup.read_value(status) == "done"
    assert len(list_writes(sandbox)) == 1
