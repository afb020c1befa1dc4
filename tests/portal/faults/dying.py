"""Worker processes that are truly killed: a fork that ends itself at a statement."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from typing import Any

from django.db import connection as database
from django.db import connections


def killed_at(statement: int, do: Callable[[], object]) -> bool:
    """Do it in a process that sends itself SIGKILL before its n-th statement to the database.

    True when it was killed; False when it came to its end before.
    """
    connections.close_all()
    pid = os.fork()
    if pid:
        return os.WIFSIGNALED(os.waitpid(pid, 0)[1])
    status = 1
    try:
        left = iter(range(statement))

        def watched(execute: Any, *told: Any) -> Any:
            if next(left, None) is None:
                os.kill(os.getpid(), signal.SIGKILL)
            return execute(*told)

        with database.execute_wrapper(watched):
            do()
        status = 0
    finally:
        os._exit(status)
