"""The benchmarks' settings, with a meter of what processes sleep for Greenhouse.

Each sleep, and each wait on a condition, that starts in the Greenhouse client or in a package that
calls it becomes a line of a file in BENCH_SLEEP_LOG: when it ended, its seconds, its thread, and
the function that slept. Waiting for sockets is none, and what idles in `portal.core`, as the queue
does, or in the thread pool does not count.
"""

import os
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

_ROOT = str(Path(__file__).resolve().parents[2])
_CALLERS = (f"{_ROOT}/integrations/", f"{_ROOT}/portal/")
_IDLE = (f"{_ROOT}/portal/core/", f"{_ROOT}/portal/web/fair_thread_pool.py")
_PASSED_THROUGH = (threading.__file__, f"{_ROOT}/integrations/ats/client_context.py")
_ROLE = "workers" if "qcluster" in sys.argv else "web"


def _meter_sleeps(sleep: Callable[..., Any]) -> Callable[..., Any]:
    def metered(*args: Any, **values: Any) -> Any:
        began = time.perf_counter()
        try:
            return sleep(*args, **values)
        finally:
            caller = sys._getframe(1)
            while caller.f_back and caller.f_code.co_filename in _PASSED_THROUGH:
                caller = caller.f_back
            path = caller.f_code.co_filename
            if path.startswith(_CALLERS) and not path.startswith(_IDLE):
                where = f"{Path(path).relative_to(_ROOT)}:{caller.f_code.co_name}"
                _log_sleep(time.perf_counter() - began, where)

    return metered


def _log_sleep(seconds: float, where: str) -> None:
    if seconds >= 0.001:
        path = Path(os.environ["BENCH_SLEEP_LOG"], f"{_ROLE}-{os.getpid()}")
        with path.open("a") as log:
            log.write(f"{time.time()} {seconds} {threading.get_ident()} {where}\n")


time.sleep = _meter_sleeps(time.sleep)
threading.Condition.wait = _meter_sleeps(threading.Condition.wait)  # type: ignore[method-assign]

from tests.bench.page_settings import *  # noqa: E402, F403  (what they import uses the meter)
