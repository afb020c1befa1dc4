"""Work that can wait is started only if a core stays idle beside it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from portal.core import cpu_load


@pytest.mark.parametrize(
    ("load", "cores", "is_spare"),
    [
        ("9.00 9.00 9.00 1/300 99", 2, True),
        ("0.00 0.00 0.00 2/300 99", 2, False),
        ("0.00 0.00 0.00 3/300 99", 4, True),
        ("0.00 0.00 0.00 4/300 99", 4, False),
        ("0.00 0.00 0.00 1/300 99", 1, True),
        ("0.00 0.00 0.00 2/300 99", 1, False),
        ("nothing", 2, True),
        ("0.1 0.1 0.1 many/300 99", 2, True),
    ],
)
def test_core_is_spare_if_another_stays_idle(
    load: str, cores: int, is_spare: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "loadavg"
    path.write_text(load)
    monkeypatch.setattr(cpu_load, "_LOAD_PATH", path)
    monkeypatch.setattr(os, "cpu_count", lambda: cores)
    assert cpu_load.has_spare_core() is is_spare


def test_core_counts_as_spare_where_the_system_says_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cpu_load, "_LOAD_PATH", tmp_path / "missing")
    assert cpu_load.has_spare_core()
