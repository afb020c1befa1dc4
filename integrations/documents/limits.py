"""Limits of the child process that reads a file. The kernel enforces them."""

from __future__ import annotations

import resource

CPU_SECONDS = 4
MEMORY_BYTES = 512 * 1024 * 1024  # address space, of which an idle child takes about 100 MB
STANDARD_FILES = 3  # stdin, stdout, stderr
SOFT_CPU_SECONDS = 2.0  # of processor time; then the rest of the pages is left out


def limit_memory_and_time() -> None:
    _set_limit(resource.RLIMIT_AS, MEMORY_BYTES)
    _set_limit(resource.RLIMIT_CPU, CPU_SECONDS)
    _set_limit(resource.RLIMIT_FSIZE, 0)
    _set_limit(resource.RLIMIT_CORE, 0)
    _set_limit(resource.RLIMIT_NPROC, 0)


def forbid_opening_files() -> None:
    """From now on, neither files nor connections can be opened."""
    _set_limit(resource.RLIMIT_NOFILE, STANDARD_FILES)


def _set_limit(kind: int, value: int) -> None:
    resource.setrlimit(kind, (value, value))
