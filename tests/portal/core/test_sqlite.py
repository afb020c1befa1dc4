"""Web and worker processes share SQLite without "database is locked" errors."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

BEGIN = """
from django.db import connection
with connection.cursor() as cursor:
    cursor.execute("CREATE TABLE shared (number integer)")
    cursor.execute("INSERT INTO shared VALUES (0)")
"""
WRITER = """
from django.db import connection, transaction
for turn in range(40):
    with transaction.atomic(), connection.cursor() as cursor:
        (number,) = cursor.execute("SELECT number FROM shared").fetchone()
        cursor.execute("UPDATE shared SET number = %s", [number + 1])
"""
END = """
from django.db import connection
with connection.cursor() as cursor:
    assert cursor.execute("SELECT number FROM shared").fetchone() == (160,)
"""


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    return {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "portal.settings",
        "DATABASE_URL": f"sqlite:///{tmp_path / 'shared.sqlite3'}",
        "REDIS_URL": "none",
    }


def test_sqlite_concurrent_writers_lose_nothing(environment: dict[str, str]) -> None:
    def start_process(code: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen([sys.executable, "-c", code], env=environment)  # noqa: S603  (ours)

    assert start_process(BEGIN).wait() == 0
    writers = [start_process(WRITER) for _ in range(4)]
    assert [writer.wait() for writer in writers] == [0, 0, 0, 0]
    assert start_process(END).wait() == 0


ERASE = """
from django.db import connection
with connection.cursor() as cursor:
    cursor.execute("CREATE TABLE people (name text)")
    cursor.execute("INSERT INTO people VALUES ('Erasable Person')")
    cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    cursor.execute("DELETE FROM people")
    cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)")
"""


def test_deleted_name_leaves_the_file(environment: dict[str, str], tmp_path: Path) -> None:
    command = [sys.executable, "manage.py", "shell", "--no-imports", "--command", ERASE]
    subprocess.run(command, env=environment, check=True)  # noqa: S603
    assert b"Erasable" not in (tmp_path / "shared.sqlite3").read_bytes()
