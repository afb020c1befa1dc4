"""Report what tests cost in CPU seconds, and run the dearest first.

CPU time is the same on a busy machine, so the report says something about the test. A test whose
call takes over 0.4 s of its own process is listed at the end unless it is marked `slow` with a
reason. Processes that a test started and ended are counted apart. Nothing fails.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from typing import NamedTuple

import pytest

REPORTED_FROM_SECONDS = 0.4
SLOWEST_SHOWN = 20
_START = pytest.StashKey[float]()
_CHILDREN_START = pytest.StashKey[float]()
_CALL = pytest.StashKey[float]()


def pytest_configure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(_CostReport(), "cost-report")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Slow tests come first, so that no process is left with one at the end.

    Browser tests come last: Playwright leaves an event loop in its process, and beside one Django
    refuses database access.
    """
    for item in items:
        marker = item.get_closest_marker("slow")
        if marker and not (marker.args and marker.args[0]):
            raise pytest.UsageError(f"{item.nodeid}: the slow marker needs a reason")
    items.sort(key=_rank)


def _rank(item: pytest.Item) -> int:
    rank = 0 if item.get_closest_marker("slow") else 1
    return rank + 2 if item.get_closest_marker("browser") else rank


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    item.stash[_START], item.stash[_CHILDREN_START] = time.process_time(), _get_children_seconds()
    return (yield)  # type: ignore[misc]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    started = time.process_time()
    try:
        yield
    finally:
        item.stash[_CALL] = time.process_time() - started


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> None:
    """Send the figures along with the report of the teardown, which crosses process borders."""
    if call.when == "teardown":
        marker = item.get_closest_marker("slow")
        item.user_properties.append(("cpu_total", time.process_time() - item.stash[_START]))
        item.user_properties.append(("cpu_call", item.stash.get(_CALL, 0.0)))
        children = _get_children_seconds() - item.stash[_CHILDREN_START]
        item.user_properties.append(("cpu_children", children))
        item.user_properties.append(("slow", marker.args[0] if marker else ""))


def _get_children_seconds() -> float:
    """The CPU time of ended child processes."""
    times = os.times()
    return times.children_user + times.children_system


class _Cost(NamedTuple):
    total: float
    call: float
    children: float
    slow_reason: str


class _CostReport:
    """Collects the figures of all processes and prints them at the end."""

    def __init__(self) -> None:
        self._costs: dict[str, _Cost] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        figures = dict(report.user_properties)
        if report.when == "teardown" and "cpu_total" in figures:
            self._costs[report.nodeid] = _Cost(
                float(str(figures["cpu_total"])),
                float(str(figures["cpu_call"])),
                float(str(figures["cpu_children"])),
                str(figures["slow"]),
            )

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        write = terminalreporter.write_line
        by_total = sorted(self._costs.items(), key=lambda item: -item[1].total - item[1].children)
        seconds = sum(cost.total for cost in self._costs.values())
        children = sum(cost.children for cost in self._costs.values())
        terminalreporter.section(
            f"CPU time of the tests' processes: {seconds:.0f} s, of others: {children:.0f} s"
        )
        for nodeid, cost in by_total[:SLOWEST_SHOWN]:
            others = f", others {cost.children:5.2f} s" if cost.children else ""
            write(f"{cost.total:6.2f} s, of which call {cost.call:5.2f} s{others}  {nodeid}")
        unmarked = [
            (nodeid, cost.call)
            for nodeid, cost in by_total
            if cost.call > REPORTED_FROM_SECONDS and not cost.slow_reason
        ]
        write(f"{len(unmarked)} tests over {REPORTED_FROM_SECONDS} s without a slow marker")
        for nodeid, call in sorted(unmarked, key=lambda pair: -pair[1]):
            write(f"{call:6.2f} s  {nodeid}")
