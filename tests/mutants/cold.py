"""Imports a module with a mutation, and runs tests until one fails.

`python -m tests.mutants.cold PIPE MODULE OPERATOR OCCURRENCE TESTS...`: the failed test is written
to the pipe; the exit code is pytest's.
"""

from __future__ import annotations

import os
import sys

import pytest

from tests.mutants.mutations import Mutation
from tests.mutants.swap import ImportMutated


class _TellFailure:
    def __init__(self, pipe: int) -> None:
        self._pipe = pipe

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            os.write(self._pipe, report.nodeid.encode())


if __name__ == "__main__":
    pipe, module, operator, occurrence, *tests = sys.argv[1:]
    ImportMutated(Mutation(module, operator, int(occurrence), (0, 0), ())).install()
    plugin = _TellFailure(int(pipe))
    sys.exit(pytest.main(["-q", "-x", "-p", "no:randomly", *tests], plugins=[plugin]))
