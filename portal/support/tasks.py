"""What happens by the clock for those who help."""

from __future__ import annotations

from portal.support import looking, watch


def sweep() -> None:
    """End looks whose time is up; open and close what shows only over many clicks."""
    looking.sweep()
    watch.watch()
