"""Work due at a moment, looked for each second in one thread of each cluster."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

from django.db import close_old_connections

from portal.core.broker.lanes import get_served_lanes
from portal.core.models import QueueLane
from portal.core.tenancy.scope import start_without_scope

logger = logging.getLogger(__name__)

_HOOKS: list[tuple[Callable[[], object], QueueLane | None]] = []


def run_every_second(hook: Callable[[], object], *, lane: QueueLane | None = None) -> None:
    """Call `hook` each second, with `lane` only in clusters that serve it. Hooks must be quick (one
    query, one `enqueue_task`) and safe to run concurrently.
    """
    _HOOKS.append((hook, lane))


def run_every_second_hooks() -> None:
    lanes = get_served_lanes()
    for hook, lane in _HOOKS:
        if lane is None or lane in lanes:
            try:
                with start_without_scope():
                    hook()
            except Exception:
                logger.exception("Looking at what is due failed; the next second tries again")
    close_old_connections()


def start_ticker() -> None:
    threading.Thread(target=_run_ticker, daemon=True, name="each-second").start()


def _run_ticker() -> None:
    while True:
        time.sleep(1)
        run_every_second_hooks()
