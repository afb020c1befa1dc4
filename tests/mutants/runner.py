"""Runs the tests on mutations, as a pytest plugin.

The tests run once unmutated, while coverage records which lines each of them ran. Then a child is
forked for each mutation, so that nothing is loaded or set up again; it applies the mutation and
runs the tests that cover it, quickest first, until one fails. A mutation of code that runs at
import only is tested in a fresh Python process (tests.mutants.fresh_process).
"""

from __future__ import annotations

import logging
import os
import pickle
import signal
import sys
import time
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from _pytest.runner import runtestprotocol
from coverage import Coverage

from tests.mutants.code_swap import changed_function, swap_constants, swap_function
from tests.mutants.mutations import Mutation
from tests.mutants.results import Outcome, Result

# Tests of a mutation are chosen until they would take this much processor time unmutated. What only
# a later one would have noticed counts as survived.
MOST_SECONDS = 60.0
_STARTING_SECONDS = 10.0
_SURVIVED, _KILLED, _NEEDS_IMPORT = 0, 1, 64


@dataclass
class _Child:
    mutation: Mutation
    killed_by: int  # a pipe with the name of the test
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
        self._tests_by_line: defaultdict[tuple[str, int], set[str]] = defaultdict(set)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        self._run_unmutated(session)
        items = {item.nodeid: item for item in session.items}
        while self._waiting or self._children:
            if self._waiting and len(self._children) < self._jobs:
                self._start(self._waiting.pop(), items)
            else:
                self._reap()
        return True

    def _run_unmutated(self, session: pytest.Session) -> None:
        """Run the tests once, shared out to as many processes as mutations will run in."""
        with_database = [i for i in session.items if "django_db_setup" in i.fixturenames]
        self._run_covered(with_database[:1])  # makes the database that the children copy
        rest = [item for item in session.items if item not in with_database[:1]]
        shares = [rest[place :: self._jobs] for place in range(self._jobs)]
        children: dict[int, Path] = {}
        for share in shares[1:]:
            results_file = self._scratch / f"unmutated-{len(children)}"
            if pid := os.fork():
                children[pid] = results_file
                continue
            try:
                _use_own_stores(self._scratch)
                self._run_covered(share)
                learned = self._seconds, self._tests_by_line, self.failed_unmutated
                results_file.write_bytes(pickle.dumps(learned))
            finally:
                os._exit(0)
        self._run_covered(shares[0])
        for pid, results_file in children.items():
            os.waitpid(pid, 0)
            seconds, tests_by_line, failed = pickle.loads(results_file.read_bytes())  # noqa: S301  (our own)
            self._seconds.update(seconds)
            self.failed_unmutated += failed
            for place, tests in tests_by_line.items():
                self._tests_by_line[place] |= tests

    def _run_covered(self, items: Sequence[pytest.Item]) -> None:
        coverage = Coverage(data_file=None, include=self._files)
        coverage.set_option("run:disable_warnings", ["no-data-collected"])
        coverage.start()
        for item in items:
            coverage.switch_context(item.nodeid)
            began = time.process_time()
            # The session as the next item: its fixtures alone stay set up.
            item.config.hook.pytest_runtest_protocol(item=item, nextitem=item.session)
            self._seconds[item.nodeid] = time.process_time() - began
            if item.session.testsfailed > len(self.failed_unmutated):
                self.failed_unmutated.append(item.nodeid)
        coverage.stop()
        data = coverage.get_data()
        for file in data.measured_files():
            for line, tests in data.contexts_by_lineno(file).items():
                self._tests_by_line[file, line].update(filter(None, tests))

    def _choose_tests(self, mutation: Mutation) -> list[str]:
        """The tests that ran the mutated lines, quickest first."""
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
        return chosen

    def _start(self, mutation: Mutation, items: dict[str, pytest.Item]) -> None:
        tests = self._choose_tests(mutation)
        if not tests:
            self._note(Result(mutation, Outcome.NOT_RUN, 0.0))
            return
        sys.stdout.flush()
        sys.stderr.flush()
        reading, writing = os.pipe()
        if pid := os.fork():
            os.close(writing)
            self._children[pid] = _Child(mutation, reading)
            return
        try:
            if mutation in self._needs_import or not _is_swappable(mutation):
                _limit(_STARTING_SECONDS + sum(self._seconds[test] for test in tests))
                _become_fresh_process(mutation, tests, self._scratch, writing)
            chosen = [(items[test], self._seconds[test]) for test in tests]
            _run_in_child(mutation, chosen, self._scratch, writing)
        finally:
            os._exit(_KILLED)

    def _reap(self) -> None:
        pid, status = os.waitpid(-1, 0)
        if pid not in self._children:
            return
        child = self._children.pop(pid)
        with os.fdopen(child.killed_by) as pipe:
            killed_by = pipe.read()
        seconds = time.monotonic() - child.began
        code = os.waitstatus_to_exitcode(status)
        if code == _NEEDS_IMPORT:
            self._needs_import.add(child.mutation)
            self._waiting.append(child.mutation)
            return
        if code == _SURVIVED:
            outcome = Outcome.SURVIVED
        else:
            outcome = Outcome.TIMED_OUT if code < 0 else Outcome.KILLED
        self._note(Result(child.mutation, outcome, seconds, killed_by))

    def _note(self, result: Result) -> None:
        self.results.append(result)
        mutation = result.mutation
        print(
            f"{len(self.results)}/{self._total} {mutation.path}:{mutation.position[0]} "
            f"{mutation.operator} {result.outcome} {result.seconds:.0f} s",
            flush=True,
        )


def _is_swappable(mutation: Mutation) -> bool:
    return bool(mutation.constants) or changed_function(mutation) is not None


def _limit(seconds: float) -> None:
    """End this process with a signal once it takes much longer than these seconds."""
    signal.setitimer(signal.ITIMER_PROF, 5 + 4 * seconds)
    signal.setitimer(signal.ITIMER_REAL, 120 + 20 * seconds)  # it may wait, or share the processor


def _silence() -> None:
    logging.disable()
    for stream in (1, 2):
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream)


def _become_fresh_process(
    mutation: Mutation, tests: Sequence[str], scratch: Path, killed_by: int
) -> None:
    chosen = scratch / f"{os.getpid()}.txt"
    chosen.write_text("\n".join(tests))
    os.set_inheritable(killed_by, True)
    _silence()
    os.execv(  # noqa: S606  (our own module)
        sys.executable,
        [
            sys.executable, "-m", "tests.mutants.fresh_process", str(killed_by),
            mutation.module, mutation.operator, str(mutation.occurrence), f"@{chosen}",
        ],
    )  # fmt: skip


def _run_in_child(
    mutation: Mutation,
    items: Iterable[tuple[pytest.Item, float]],
    scratch: Path,
    killed_by: int,
) -> None:
    _silence()
    _use_own_stores(scratch)
    try:
        if mutation.constants:
            swap_constants(mutation)
        elif (change := changed_function(mutation)) is not None:
            swap_function(*change)
    except (LookupError, ValueError):
        os._exit(_NEEDS_IMPORT)
    for item, seconds in items:
        _limit(seconds)
        reports = runtestprotocol(item, log=False, nextitem=item.session)
        if any(report.failed for report in reports):
            os.write(killed_by, item.nodeid.encode())
            os._exit(_KILLED)
    os._exit(_SURVIVED)


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
