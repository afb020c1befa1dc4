"""What processes use, read from /proc."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")


def list_tree(pid: int) -> list[int]:
    """Return a process and everything that it started, directly or not."""
    children = defaultdict(list)
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except OSError:  # it ended meanwhile
            continue
        children[int(fields[1])].append(int(path.parent.name))
    tree, waiting = [], [pid]
    while waiting:
        current = waiting.pop()
        tree.append(current)
        waiting += children[current]
    return tree


def get_tree_cpu_seconds(pid: int) -> float:
    return sum(map(_get_cpu_seconds, list_tree(pid)))


def _get_cpu_seconds(pid: int) -> float:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return sum(map(int, fields[11:15])) / _TICKS  # its own and that of children that ended


def get_tree_memory_megabytes(pids: Iterable[int]) -> float:
    """Sum proportional set sizes, so that memory that processes share counts once."""
    total = 0
    for pid in (member for root in pids for member in list_tree(root)):
        try:
            lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
        except OSError:
            continue
        total += next((int(line.split()[1]) for line in lines if line.startswith("Pss:")), 0)
    return total / 1024


class MachineMeter:
    """The share of the machine's CPU in use, by anybody, since the meter was made."""

    def __init__(self) -> None:
        self._busy, self._all = _read_machine_ticks()

    def get_share(self) -> float:
        busy, everything = _read_machine_ticks()
        return (busy - self._busy) / max(1, everything - self._all)


def _read_machine_ticks() -> tuple[int, int]:
    ticks = [int(word) for word in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]]
    return sum(ticks) - ticks[3] - ticks[4], sum(ticks)  # without idle and waiting for disks
