"""Write down which tests were collected and which ran, for `.ci/every_test_ran.py`.

`--ledger PATH` writes `PATH.collected` and `PATH.ran`, one test id a line.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.plugins.requirements import lacks_optional


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--ledger", help="write which tests were collected and which ran")


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_collection_modifyitems(
    config: pytest.Config, items: list[pytest.Item]
) -> Iterator[None]:
    """Note all items before any of them is deselected; of xdist's workers the first one writes."""
    path = config.getoption("--ledger")
    worker = getattr(config, "workerinput", {}).get("workerid", "gw0")
    if path and worker == "gw0":
        _write(f"{path}.collected", {i.nodeid for i in items if not lacks_optional(i)})
    yield


def pytest_configure(config: pytest.Config) -> None:
    if config.getoption("--ledger") and not hasattr(config, "workerinput"):
        config.pluginmanager.register(_Recorder(config), "ledger-recorder")


class _Recorder:
    def __init__(self, config: pytest.Config) -> None:
        self._path = config.getoption("--ledger")
        self._ran: set[str] = set()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when == "call" and not report.skipped:
            self._ran.add(report.nodeid)

    def pytest_sessionfinish(self) -> None:
        _write(f"{self._path}.ran", self._ran)


def _write(path: str, ids: set[str]) -> None:
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Path(path).write_text("".join(f"{nodeid}\n" for nodeid in sorted(ids)))
