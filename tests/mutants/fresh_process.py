"""Imports a module with a mutation, and runs tests until one fails.

`python -m tests.mutants.fresh_process FILE MODULE OPERATOR OCCURRENCE TESTS...` keeps the name of
the running test in the file; the exit code is pytest's.
"""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.mutants.code_swap import ImportMutated
from tests.mutants.mutations import Mutation


class _NameRunningTest:
    def __init__(self, file: str) -> None:
        self._file = Path(file)

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        self._file.write_text(nodeid)


if __name__ == "__main__":
    file, module, operator, occurrence, *tests = sys.argv[1:]
    ImportMutated(Mutation(module, operator, int(occurrence), (0, 0), ())).install()
    plugin = _NameRunningTest(file)
    sys.exit(pytest.main(["-q", "-x", "-p", "no:randomly", *tests], plugins=[plugin]))
