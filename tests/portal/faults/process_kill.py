"""Run code in a forked process that kills itself at a given database statement."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from typing import Any

from django.db import connection as database
from django.db import connections


def kill_at_statement(statement: int, task: Callable[[], object]) -> bool:
    """Run `task` in a fork that sends itself SIGKILL before the n-th database statement.

    Return whether it was killed before it finished.
    """
    connections.close_all()
    pid = os.fork()
    if pid:
        return os.WIFSIGNALED(os.waitpid(pid, 0)[1])
    status = 1
    try:
        remaining = iter(range(statement))

        def count_statement(execute: Any, *args: Any) -> Any:
            if next(remaining, None) is None:
                os.kill(os.getpid(), signal.SIGKILL)
            return execute(*args)

        with database.execute_wrapper(count_statement):
            task()
        status = 0
    finally:
        os._exit(status)
