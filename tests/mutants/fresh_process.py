"""Imports a module with a mutation, and runs tests until one fails.

`python -m tests.mutants.fresh_process PIPE MODULE OPERATOR OCCURRENCE TESTS...` writes the failed
test to the pipe; the exit code is pytest's.
"""

from __future__ import annotations

import os
import sys

import pytest

from tests.mutants.code_swap import ImportMutated
from tests.mutants.mutations import Mutation


class _ReportFailure:
    def __init__(self, pipe: int) -> None:
        self._pipe = pipe

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            os.write(self._pipe, report.nodeid.encode())


if __name__ == "__main__":
    pipe, module, operator, occurrence, *tests = sys.argv[1:]
    ImportMutated(Mutation(module, operator, int(occurrence), (0, 0), ())).install()
    plugin = _ReportFailure(int(pipe))
    sys.exit(pytest.main(["-q", "-x", "-p", "no:randomly", *tests], plugins=[plugin]))
