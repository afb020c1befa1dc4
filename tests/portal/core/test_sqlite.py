"""SQLite with web and worker side by side: nobody meets "database is locked"."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

WRITER = """
import django; django.setup()
from django.db import transaction
from portal.accounts.models import Organization
for number in range(60):
    with transaction.atomic():
        row = Organization.objects.select_for_update().get(slug="shared")
        row.name = str(int(row.name) + 1)
        row.save()
"""


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    return {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "portal.settings",
        "DATABASE_URL": f"sqlite:///{tmp_path / 'shared.sqlite3'}",
        "REDIS_URL": "none",
    }


def _python(code: str, environment: dict[str, str]) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", code], env=environment)  # noqa: S603  (ours)


def test_four_processes_write_at_once_and_lose_nothing(environment: dict[str, str]) -> None:
    def done(code: str) -> None:
        assert _python(code, environment).wait() == 0

    begin = "import django; django.setup(); from django.core.management import call_command; "
    done(begin + "call_command('migrate', verbosity=0)")
    make = "from portal.accounts.models import Organization; "
    done(begin + make + "Organization.objects.create(name='0', slug='shared')")
    writers = [_python(WRITER, environment) for _ in range(4)]
    assert [writer.wait() for writer in writers] == [0, 0, 0, 0]
    done(begin + make + "assert Organization.objects.get().name == '240'")
