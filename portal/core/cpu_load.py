"""Whether work that can wait would take a core from somebody else's."""

from __future__ import annotations

import os
from pathlib import Path

_LOAD_PATH = Path("/proc/loadavg")


def has_spare_core() -> bool:
    """Whether a core stays idle beside the work that the caller would start; with a single core,
    whether nobody else runs. True where the system does not say how many threads run: only Linux
    does.
    """
    try:
        running = int(_LOAD_PATH.read_text().split()[3].partition("/")[0])
    except (OSError, IndexError, ValueError):
        return True
    cores = os.cpu_count() or 1
    return running <= max(1, cores - 1)  # the thread that asks is one of them
