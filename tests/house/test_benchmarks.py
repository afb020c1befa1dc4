"""A benchmark that no longer measures a figure fails (`make bench SMALL=1` runs them all)."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import pytest

from tests.bench import report
from tests.bench.common import Figures
from tests.bench.smoke import BENCHMARKS


@pytest.mark.parametrize("value", [None, 0, -1.0, float("nan"), float("inf")])
def test_figures_must_be_finite_and_positive(tmp_path: Path, value: float | None) -> None:
    options = argparse.Namespace(figures=tmp_path / "figures.json", small=True)
    figures = Figures(["first", "second"])
    figures.record("first", 1.5)
    if value is not None:
        figures.record("second", value)
    assert figures.finish(options, missed=False) == 2
    figures.record("second", 2)
    assert figures.finish(options, missed=False) == 0
    assert json.loads(options.figures.read_text()) == {"first": 1.5, "second": 2}


@pytest.mark.parametrize(("small", "status"), [(True, 0), (False, 1)])
def test_missed_bars_fail_at_full_size_only(small: bool, status: int) -> None:
    options = argparse.Namespace(figures=None, small=small)
    assert Figures([]).finish(options, missed=True) == status


def test_undeclared_figures_are_refused() -> None:
    with pytest.raises(KeyError):
        Figures(["first"]).record("second", 1)


def test_smoke_runs_every_benchmark() -> None:
    files = Path(__file__).resolve().parents[1].glob("bench/bench_*.py")
    assert {file.stem.removeprefix("bench_") for file in files} == set(BENCHMARKS)


def test_report_runs_every_benchmark() -> None:
    modules = {arguments[0].removeprefix("bench_") for arguments in report.BENCHMARKS.values()}
    assert modules == set(BENCHMARKS)


def test_report_reads_verdicts() -> None:
    output = "\n  met    requests: 150\n  MISSED peak 95 MB (bar 90)\n"
    output += "- p50: 3 of 4: kept\n- p95: MISSED\n"
    assert report.parse_bars(output) == [
        ("requests: 150", True),
        ("peak 95 MB (bar 90)", False),
        ("p50: 3 of 4", True),
        ("p95", False),
    ]
