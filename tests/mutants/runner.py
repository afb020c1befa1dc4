"""Runs the tests on mutations, as a pytest plugin.

The tests run once unmutated, while coverage records which lines each of them ran. Then a child is
forked for each mutation, so that nothing is loaded or set up again; it applies the mutation and
runs the tests that cover it until one fails. A mutation of code that runs at import only is tested
in a fresh Python process (tests.mutants.fresh_process). Before the first mutation a test of each
file runs unmutated in such a child: if one fails there, no mutation is tried. At last each test
that killed something runs once more unmutated: if it fails, it proves nothing, and others judge
what it killed.
"""

from __future__ import annotations

import os
import pickle
import signal
import sys
import time
import traceback
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import FunctionType

import pytest
from coverage import Coverage

from tests.mutants.code_swap import (
    Origin,
    changed_function,
    index_functions,
    swap_constants,
    swap_function,
)
from tests.mutants.mutations import Mutation
from tests.mutants.results import Outcome, Result

# Tests of a mutation are chosen until they would take this much processor time unmutated. What only
# a later one would have noticed counts as survived.
MOST_SECONDS = 60.0
_STARTING_SECONDS = 10.0
_SURVIVED, _KILLED, _NEEDS_IMPORT, _BROKEN = 0, 1, 64, 65
_OUTCOMES = {
    _SURVIVED: Outcome.SURVIVED,
    -signal.SIGPROF: Outcome.TIMED_OUT,
    -signal.SIGALRM: Outcome.WAITED,
}


@dataclass
class _Child:
    mutation: Mutation
    began: float = field(default_factory=time.monotonic)


class MutantRunner:
    """`results` holds what came of each mutation. Tests that fail unmutated are not used."""

    def __init__(self, mutations: Sequence[Mutation], *, jobs: int, scratch: Path) -> None:
        self.results: list[Result] = []
        self.failed_unmutated: list[str] = []
        self._waiting = list(reversed(mutations))
        self._needs_import: set[Mutation] = set()
        self._jobs, self._scratch = jobs, scratch
        self._total = len(mutations)
        self._seconds: dict[str, float] = {}
        self._children: dict[int, _Child] = {}
        self._files = sorted({str(m.path.resolve()) for m in mutations})
        self._functions: Mapping[Origin, list[FunctionType]] = {}
        self._tests_by_line: defaultdict[tuple[str, int], set[str]] = defaultdict(set)
        self._kills: defaultdict[str, Counter[str]] = defaultdict(Counter)  # of tests, by module
        self._confirmed: set[str] = set()
        self._report: Path | None = None  # where a child without a mutation says what failed

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        self._run_unmutated(session)
        self._functions = index_functions(self._files)
        items = {item.nodeid: item for item in session.items}
        self._check_children(items)
        self._run_waiting(items)
        while unreliable := self._find_unreliable_tests(items):
            self.failed_unmutated += unreliable
            doubted = [r for r in self.results if r.killed_by in unreliable]
            self.results = [r for r in self.results if r.killed_by not in unreliable]
            self._waiting = [result.mutation for result in doubted]
            self._run_waiting(items)
        return True

    def _run_waiting(self, items: Mapping[str, pytest.Item]) -> None:
        while self._waiting or self._children:
            if self._waiting and len(self._children) < self._jobs:
                self._start(self._waiting.pop(), items)
            else:
                self._reap()

    def _run_unmutated(self, session: pytest.Session) -> None:
        """Run the tests once, in children as mutations are: what they leave behind ends with them.

        One test with a database runs here first: it makes the database that the children copy.
        """
        with_database = [i for i in session.items if "django_db_setup" in i.fixturenames]
        self._run_covered(with_database[:1])
        _close_http_clients()
        rest = [item for item in session.items if item not in with_database[:1]]
        children: dict[int, Path] = {}
        for place in range(self._jobs):
            results_file = self._scratch / f"unmutated-{place}"
            if pid := os.fork():
                children[pid] = results_file
                continue
            try:
                _use_own_stores(self._scratch)
                self._run_covered(rest[place :: self._jobs])
                learned = self._seconds, self._tests_by_line, self.failed_unmutated
                results_file.write_bytes(pickle.dumps(learned))
            finally:
                os._exit(0)
        for pid, results_file in children.items():
            os.waitpid(pid, 0)
            seconds, tests_by_line, failed = pickle.loads(results_file.read_bytes())  # noqa: S301  (our own)
            self._seconds.update(seconds)
            self.failed_unmutated += [test for test in failed if test not in self.failed_unmutated]
            for place, tests in tests_by_line.items():
                self._tests_by_line[place] |= tests

    def _run_covered(self, items: Sequence[pytest.Item]) -> None:
        coverage = Coverage(data_file=None, include=self._files)
        coverage.set_option("run:disable_warnings", ["no-data-collected"])
        coverage.start()
        for item in items:
            coverage.switch_context(item.nodeid)
            began, failed_before = time.process_time(), item.session.testsfailed
            _run_test(item)
            self._seconds[item.nodeid] = time.process_time() - began
            if item.session.testsfailed > failed_before:
                self.failed_unmutated.append(item.nodeid)
        coverage.stop()
        data = coverage.get_data()
        for file in data.measured_files():
            for line, tests in data.contexts_by_lineno(file).items():
                self._tests_by_line[file, line].update(filter(None, tests))

    def _choose_tests(self, mutation: Mutation) -> list[str]:
        """Tests that ran the mutated lines: quick ones, and of these first what killed others of
        the module.
        """
        file = str(mutation.path.resolve())
        tests = set().union(*(self._tests_by_line[file, line] for line in mutation.lines))
        tests.difference_update(self.failed_unmutated)
        chosen: list[str] = []
        total = 0.0
        for test in sorted(tests, key=self._seconds.__getitem__):
            total += self._seconds[test]
            if chosen and total > MOST_SECONDS:
                break
            chosen.append(test)
        kills = self._kills[mutation.module]
        return sorted(chosen, key=lambda test: self._seconds[test] / (1 + kills[test]))

    def _start(self, mutation: Mutation, items: Mapping[str, pytest.Item]) -> None:
        tests = self._choose_tests(mutation)
        if not tests:
            self._note(Result(mutation, Outcome.NOT_RUN, 0.0))
            return
        sys.stdout.flush()
        sys.stderr.flush()
        if pid := os.fork():
            self._children[pid] = _Child(mutation)
            return
        try:
            if mutation in self._needs_import or not _is_swappable(mutation):
                _limit(_STARTING_SECONDS + sum(self._seconds[test] for test in tests))
                _become_fresh_process(mutation, tests, self._scratch)
            _silence()
            _use_own_stores(self._scratch)
            self._apply(mutation)
            self._run_in_child(items[test] for test in tests)
        except BaseException:  # noqa: BLE001  (a mistake of ours, which proves nothing)
            (self._scratch / "broken").write_text(traceback.format_exc())
        finally:
            os._exit(_BROKEN)

    def _reap(self) -> None:
        pid, status = os.waitpid(-1, 0)
        if pid not in self._children:
            return
        child = self._children.pop(pid)
        mutation, seconds = child.mutation, time.monotonic() - child.began
        code = os.waitstatus_to_exitcode(status)
        if code == _BROKEN:
            raise RuntimeError((self._scratch / "broken").read_text())
        if code == _NEEDS_IMPORT:
            self._needs_import.add(mutation)
            self._waiting.append(mutation)
            return
        result = Result(mutation, _OUTCOMES.get(code, Outcome.KILLED), seconds)
        if result.is_killed and (file := _get_running_file(self._scratch, pid)).exists():
            result = replace(result, killed_by=file.read_text())
            self._kills[mutation.module][result.killed_by] += 1
        self._note(result)

    def _note(self, result: Result) -> None:
        self.results.append(result)
        mutation = result.mutation
        print(
            f"{len(self.results)}/{self._total} {mutation.path}:{mutation.position[0]} "
            f"{mutation.operator} {result.outcome} {result.seconds:.0f} s",
            flush=True,
        )

    def _apply(self, mutation: Mutation) -> None:
        try:
            if mutation.constants:
                swap_constants(mutation)
            elif (change := changed_function(mutation)) is not None:
                swap_function(self._functions, *change)
        except Exception:  # noqa: BLE001  (a fresh process tells whether the module loads at all)
            os._exit(_NEEDS_IMPORT)

    def _run_in_child(self, items: Iterable[pytest.Item]) -> None:
        running = _get_running_file(self._scratch, os.getpid())
        for item in items:
            if reporter := item.config.pluginmanager.get_plugin("terminalreporter"):
                item.config.pluginmanager.unregister(reporter)
            running.write_text(item.nodeid)
            _limit(self._seconds[item.nodeid])
            failed_before = item.session.testsfailed
            _run_test(item)
            if item.session.testsfailed > failed_before:
                os._exit(_KILLED)
        os._exit(_SURVIVED)

    def _check_children(self, items: Mapping[str, pytest.Item]) -> None:
        """Stop if tests fail in a child without a mutation: what they kill would be void."""
        by_file = {test: test for test in self.failed_unmutated}
        for test in sorted(self._seconds, key=self._seconds.__getitem__):
            if test not in self.failed_unmutated:
                by_file.setdefault(test.partition("::")[0], test)
        if failures := self._list_failures(by_file.values(), items):
            texts = "\n\n".join(f"{test}\n{text}" for test, text in failures.items())
            pytest.exit(f"These tests fail in a forked child without a mutation.\n{texts}", 2)

    def _find_unreliable_tests(self, items: Mapping[str, pytest.Item]) -> list[str]:
        """Those that killed something, and fail or take too long unmutated as well."""
        killers = {result.killed_by for result in self.results} - self._confirmed - {""}
        failures = self._list_failures(killers, items)
        for test, text in failures.items():
            print(f"Fails without a mutation: {test}\n{text}", flush=True)
        self._confirmed |= killers - failures.keys()
        return sorted(failures)

    def _list_failures(
        self, tests: Iterable[str], items: Mapping[str, pytest.Item]
    ) -> dict[str, str]:
        """Run each test in a child without a mutation; return what failed, with its report."""
        waiting, running, failures = sorted(tests), dict[int, str](), dict[str, str]()
        while waiting or running:
            if waiting and len(running) < self._jobs:
                test = waiting.pop()
                if pid := os.fork():
                    running[pid] = test
                    continue
                try:
                    self._report = self._scratch / f"{os.getpid()}.report"
                    _silence()
                    _use_own_stores(self._scratch)
                    self._run_in_child([items[test]])
                finally:
                    os._exit(_BROKEN)
            pid, status = os.waitpid(-1, 0)
            if pid in running and (code := os.waitstatus_to_exitcode(status)) != _SURVIVED:
                report = self._scratch / f"{pid}.report"
                failures[running[pid]] = report.read_text() if report.exists() else f"exit {code}"
            running.pop(pid, None)
        return failures

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if self._report and report.failed:
            self._report.write_text(report.longreprtext)


def _run_test(item: pytest.Item) -> None:
    """With the session as the next item: its fixtures alone stay set up. By the hook, because
    plugins of ours wrap each test.
    """
    item.config.hook.pytest_runtest_protocol(item=item, nextitem=item.session)


def _is_swappable(mutation: Mutation) -> bool:
    return bool(mutation.constants) or changed_function(mutation) is not None


def _get_running_file(scratch: Path, pid: int) -> Path:
    """Holds the name of the test that a child runs."""
    return scratch / f"{pid}.test"


def _limit(seconds: float) -> None:
    """End this process with a signal once it takes much longer than these seconds."""
    signal.setitimer(signal.ITIMER_PROF, 5 + 4 * seconds)
    signal.setitimer(signal.ITIMER_REAL, 120 + 20 * seconds)  # it may wait, or share the processor


def _close_http_clients() -> None:
    """A child that drops its parent's connections has them collected during some test, which then
    fails with a ResourceWarning.
    """
    from integrations.http.client import _get_client  # once pytest has set up Django

    if _get_client.cache_info().currsize:
        _get_client().close()
        _get_client.cache_clear()


def _silence() -> None:
    for stream in (1, 2):
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream)


def _become_fresh_process(mutation: Mutation, tests: Sequence[str], scratch: Path) -> None:
    chosen = scratch / f"{os.getpid()}.txt"
    chosen.write_text("\n".join(tests))
    _silence()
    os.execv(  # noqa: S606  (our own module)
        sys.executable,
        [
            sys.executable, "-m", "tests.mutants.fresh_process",
            str(_get_running_file(scratch, os.getpid())),
            mutation.module, mutation.operator, str(mutation.occurrence), f"@{chosen}",
        ],
    )  # fmt: skip


def _use_own_stores(scratch: Path) -> None:
    """Give this child a database, a cache and a queue of its own."""
    from django.conf import settings
    from django.core.cache import caches
    from django.db import connections
    from django_q.conf import Conf

    from tests.plugins.database_template import back_up_sqlite  # once pytest has rewritten it

    connections.close_all()
    database = connections["default"].settings_dict
    own = scratch / f"{os.getpid()}.sqlite3"
    if Path(database["NAME"]).exists():  # it does not where no test so far asked for it
        back_up_sqlite(database["NAME"], own)  # with what is only in its log so far
        database["NAME"] = str(own)
    name = f"{settings.Q_CLUSTER['name']}-{os.getpid()}"
    settings.Q_CLUSTER["name"] = Conf.PREFIX = name
    caches["default"].key_prefix = name
