"""A pytest plugin for CI (`make test` loads it there): a test that lacks something there fails.

A skip whose reason begins with "needs" is for a developer's machine. LEFT_TO_ANOTHER_RUN names
what another run of the same CI has ("PostgreSQL Redis" in the one on SQLite, and the other way).
"""

from __future__ import annotations

import os
from collections.abc import Generator

import pytest


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    reason = _why_skipped(report)
    elsewhere = os.environ.get("LEFT_TO_ANOTHER_RUN", "").split()
    if reason.startswith("needs ") and not any(name in reason for name in elsewhere):
        report.outcome = "failed"
        report.longrepr = f"skipped, but CI must have everything: it {reason}"
    return report


def _why_skipped(report: pytest.TestReport) -> str:
    if report.skipped and isinstance(report.longrepr, tuple):
        return str(report.longrepr[2]).removeprefix("Skipped: ")
    return ""
