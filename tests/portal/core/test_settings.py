"""Starting up: production refuses to begin without what it needs."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

NEEDED = {
    "SECRET_KEY": "x" * 60,
    "FIELD_ENCRYPTION_KEY": "bm90LWEtcmVhbC1rZXktanVzdC1mb3ItdGVzdHMtMzI=",
    "DATABASE_URL": "sqlite://:memory:",
    "REDIS_URL": "none",
    "ALLOWED_HOSTS": "portal.example",
}


def _check(*command: str, **environment: str) -> subprocess.CompletedProcess[str]:
    kept = {k: v for k, v in os.environ.items() if k in {"PATH", "HOME", "LANG"}}
    return subprocess.run(  # noqa: S603  (ours)
        [sys.executable, *command],
        env={**kept, "DJANGO_SETTINGS_MODULE": "portal.settings", **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def production(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Python code with production's settings, in a process of its own."""
    return _check("-c", f"import django; django.setup(); {code}", **NEEDED, **environment)


def test_production_starts_with_everything_it_needs() -> None:
    assert _check("manage.py", "check", **NEEDED).returncode == 0


@pytest.mark.parametrize("name", NEEDED)
def test_production_refuses_to_start_without(name: str) -> None:
    answer = _check("-m", "portal.settings", **{k: v for k, v in NEEDED.items() if k != name})
    assert answer.returncode != 0
    assert f"  {name}: " in answer.stderr
