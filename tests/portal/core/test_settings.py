"""Production refuses to start without its required settings."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

REQUIRED = {
    "SECRET_KEY": "x" * 60,
    "FIELD_ENCRYPTION_KEY": "bm90LWEtcmVhbC1rZXktanVzdC1mb3ItdGVzdHMtMzI=",
    "DATABASE_URL": "sqlite://:memory:",
    "REDIS_URL": "none",
    "ALLOWED_HOSTS": "portal.example",
}


def _run_python(*command: str, **environment: str) -> subprocess.CompletedProcess[str]:
    inherited = {k: v for k, v in os.environ.items() if k in {"PATH", "HOME", "LANG"}}
    return subprocess.run(  # noqa: S603  (ours)
        [sys.executable, *command],
        env={**inherited, "DJANGO_SETTINGS_MODULE": "portal.settings", **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def run_in_production(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run Python code with production settings in a separate process."""
    return _run_python("-c", f"import django; django.setup(); {code}", **REQUIRED, **environment)


def test_production_starts_with_required_settings() -> None:
    assert _run_python("manage.py", "check", **REQUIRED).returncode == 0


@pytest.mark.parametrize("name", REQUIRED)
def test_production_refuses_missing_setting(name: str) -> None:
    process = _run_python(
        "-m", "portal.settings", **{k: v for k, v in REQUIRED.items() if k != name}
    )
    assert process.returncode != 0
    assert f"  {name}: " in process.stderr
