"""What workers do by the clock for connections."""

from __future__ import annotations

from portal.connections import workers


def beat() -> None:
    workers.beat()
