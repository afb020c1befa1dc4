"""Deselect tests whose backend or program is not there, and say so once.

A test states what it needs with a marker of this table; the summary tells how to get it. In CI a
skipped test fails: what cannot run is deselected here, and `.ci/every_test_ran.py` checks that
each test ran in at least one of CI's runs.
"""

from __future__ import annotations

import os
import shutil
from collections import Counter
from collections.abc import Callable, Generator
from pathlib import Path
from typing import NamedTuple

import pytest
from django.conf import settings

SYSTEM_PATH = f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin"


class Requirement(NamedTuple):
    """What tests with `marker` need; an `optional` one CI does without, too."""

    marker: str
    is_met: Callable[[], bool]
    hint: str
    optional: bool = False


def find_chromium() -> str | None:
    """Return the path of the system's Chromium, or None.

    The headless shell, where it is installed, takes two thirds of the CPU time.
    """
    names = ("chromium-headless-shell", "chromium", "chromium-browser")
    return next(filter(None, map(shutil.which, names)), None)


def find_reference_folder() -> Path:
    """Return where a copy of Greenhouse's published reference data is expected."""
    path = os.environ.get("GREENHOUSE_REFERENCE", "../shared/greenhouse")
    return Path(settings.BASE_DIR) / path


def _has_program(name: str) -> bool:
    return shutil.which(name, path=SYSTEM_PATH) is not None


def _is_sqlite() -> bool:
    return str(settings.DATABASES["default"]["ENGINE"]).endswith("sqlite3")


REQUIREMENTS = (
    Requirement("sqlite", _is_sqlite, "unset DATABASE_URL"),
    Requirement("postgres", lambda: not _is_sqlite(), "set DATABASE_URL=postgres://…"),
    Requirement("redis", lambda: bool(settings.REDIS_URL), "set REDIS_URL=redis://…"),
    Requirement("redis_server", lambda: _has_program("redis-server"), "apt install redis-server"),
    Requirement(
        "browser", lambda: find_chromium() is not None, "apt install chromium-headless-shell"
    ),
    Requirement("nginx", lambda: _has_program("nginx"), "apt install nginx-light"),
    Requirement("promtool", lambda: _has_program("promtool"), "apt install prometheus"),
    Requirement("caddy", lambda: _has_program("caddy"), "apt install caddy"),
    Requirement(
        "reference",
        lambda: find_reference_folder().is_dir(),
        "set GREENHOUSE_REFERENCE to a copy of Greenhouse's reference data",
        optional=True,
    ),
)


def lacks_optional(item: pytest.Item) -> bool:
    """Tell whether a test needs something optional that is not here."""
    return any(
        item.get_closest_marker(r.marker) and not r.is_met() for r in REQUIREMENTS if r.optional
    )


_DESELECTED = pytest.StashKey[Counter[str]]()


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    unmet = [r.marker for r in REQUIREMENTS if not r.is_met()]
    deselected = {
        item: marker for item in items for marker in unmet if item.get_closest_marker(marker)
    }
    config.stash[_DESELECTED] = Counter(deselected.values())
    if deselected:
        config.hook.pytest_deselected(items=list(deselected))
        items[:] = [item for item in items if item not in deselected]


def pytest_report_collectionfinish(config: pytest.Config) -> list[str]:
    """Name what was left out. Workers of pytest-xdist collect; only one process prints."""
    hints = {r.marker: r.hint for r in REQUIREMENTS}
    counts = config.stash.get(_DESELECTED, Counter())
    return [f"deselected {n} tests that need {m} ({hints[m]})" for m, n in sorted(counts.items())]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.skipped and "CI" in os.environ and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"Skipped in CI, where nothing may be skipped: {report.longrepr}"
    return report
