# ruff: noqa: T201, S603, S607  (it talks to its terminal, and runs the benchmarks)
"""Run every benchmark at its real size, one after the other, and write one report.

    DATABASE_URL=postgres://… REDIS_URL=redis://… python -m tests.bench.report [NAME …] [--runs 3]

Each benchmark is run three times. The report, `artifacts/bench/report.md`, has the machine, the
commit, the medians, and which bars are met: in most of the runs, which is the median's verdict. The
runs' own output is kept beside it. Exits with 1 where a bar is missed or a run failed.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import statistics
import subprocess
import sys
import time
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import psycopg

from tests.bench.common import ROOT, is_postgres

FOLDER = ROOT / "artifacts" / "bench"
# By name: module and arguments. Those that need PostgreSQL say so themselves.
BENCHMARKS: dict[str, tuple[str, ...]] = {
    "sync": ("bench_sync",),
    "sync-v1": ("bench_sync", "--generation", "v1"),
    "click": ("bench_click",),
    "client": ("bench_client", "--unlimited"),
    "pages": ("bench_pages",),
    "support": ("bench_support",),
    "capacity": ("bench_capacity",),
    "tenants": ("bench_tenants",),
}
_VERDICT = re.compile(r"^\W*(?P<verdict>met|MISSED)\s+(?P<bar>\S.*)$", re.MULTILINE)
_PAGE_VERDICT = re.compile(r"^- (?P<bar>.*): (?P<verdict>kept|MISSED)\s*$", re.MULTILINE)
_NUMBER = re.compile(r"\d[\d,.]*")


@dataclass
class Result:
    """The runs of one benchmark."""

    figures: list[dict[str, float | None]] = field(default_factory=list)
    bars: list[list[tuple[str, bool]]] = field(default_factory=list)
    statuses: list[int] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def failed(self) -> bool:
        return any(status not in (0, 1) for status in self.statuses)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(BENCHMARKS))
    parser.add_argument("--runs", type=int, default=3, help="of each benchmark (3)")
    parser.add_argument("--small", action="store_true", help="tiny sizes, to try the report")
    options = parser.parse_args()
    if unknown := set(options.names) - BENCHMARKS.keys():
        parser.error(f"unknown: {', '.join(sorted(unknown))}")
    FOLDER.mkdir(parents=True, exist_ok=True)
    load_before = os.getloadavg()[0]
    results = {
        name: _run_benchmark(name, options)
        for name in BENCHMARKS
        if name in options.names or not options.names
    }
    report = FOLDER / "report.md"
    report.write_text("\n".join(_format_report(results, options, load_before)))
    print(f"\n{report.relative_to(ROOT)}")
    is_missed = any(not met for result in results.values() for _, met, _ in _judge_bars(result))
    return 1 if is_missed or any(result.failed for result in results.values()) else 0


def _run_benchmark(name: str, options: argparse.Namespace) -> Result:
    result, started = Result(), time.monotonic()
    module, *arguments = BENCHMARKS[name]
    for number in range(1, options.runs + 1):
        figures = FOLDER / f"{name}-{number}.json"
        figures.unlink(missing_ok=True)
        command = [sys.executable, "-m", f"tests.bench.{module}", *arguments]
        command += ["--figures", str(figures), *(["--small"] if options.small else [])]
        print(f"{name}, run {number} of {options.runs} …", flush=True)
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        output = done.stdout + done.stderr
        (FOLDER / f"{name}-{number}.txt").write_text(output)
        result.statuses.append(done.returncode if figures.exists() else -1)
        if figures.exists():
            result.figures.append(json.loads(figures.read_text()))
            result.bars.append(parse_bars(output))
    result.seconds = time.monotonic() - started
    return result


def parse_bars(output: str) -> list[tuple[str, bool]]:
    """Return the bars that a benchmark's output names, and whether each is met."""
    matches = [*_VERDICT.finditer(output), *_PAGE_VERDICT.finditer(output)]
    matches.sort(key=lambda match: match.start())
    return [(match["bar"].strip(), match["verdict"] != "MISSED") for match in matches]


def _judge_bars(result: Result) -> list[tuple[str, bool, str]]:
    """Return each bar as the run in the middle has it, the verdict, and in how many runs it held.

    Runs name the same bar with other numbers.
    """
    runs_by_bar: dict[tuple[str, int], list[tuple[str, bool]]] = defaultdict(list)
    for bars in result.bars:
        counts: Counter[str] = Counter()
        for text, met in bars:
            key = _NUMBER.sub("#", text)
            counts[key] += 1
            runs_by_bar[key, counts[key]].append((text, met))
    judged = []
    for runs in runs_by_bar.values():
        held = sum(met for _, met in runs)
        is_met = 2 * held > len(runs)
        text = next(text for text, met in runs if met == is_met)
        judged.append((text, is_met, f"{held} of {len(runs)}"))
    return judged


# -- the report ----------------------------------------------------------------------------------
def _format_report(
    results: dict[str, Result], options: argparse.Namespace, load_before: float
) -> list[str]:
    size = "tiny sizes" if options.small else "real sizes"
    lines = ["# Benchmarks", "", f"Medians of {options.runs} runs at {size}.", ""]
    lines += ["| | |", "|---|---|"]
    lines += [f"| {name} | {value} |" for name, value in describe_machine().items()]
    lines += [f"| load before | {load_before:.2f} |", ""]
    lines += ["## Bars", "", "| benchmark | bar | | runs |", "|---|---|---|---|"]
    for name, result in results.items():
        lines += [
            f"| {name} | {text} | {'met' if met else '**missed**'} | {runs} |"
            for text, met, runs in _judge_bars(result)
        ]
        if result.failed:
            lines.append(f"| {name} | a run failed: see `{name}-*.txt` | **failed** | |")
    for name, result in results.items():
        lines += ["", f"## {name}", ""]
        lines += [f"`{' '.join(BENCHMARKS[name])}`, {result.seconds / 60:.1f} minutes.", ""]
        lines += ["| figure | median | lowest | highest |", "|---|---|---|---|"]
        for figure in result.figures[0] if result.figures else ():
            values = [value for run in result.figures if (value := run.get(figure)) is not None]
            lines.append(_format_figure(figure, values))
    return [*lines, ""]


def _format_figure(name: str, values: list[float]) -> str:
    cells = (statistics.median(values), min(values), max(values)) if values else ()
    return f"| {name} | {' | '.join(f'{value:,.4g}' for value in cells) or 'not measured | | '} |"


def describe_machine() -> dict[str, str]:
    """Return what figures depend on: machine, versions and commit."""
    info = _read_text("/proc/cpuinfo")
    model = re.search(r"model name\s*:\s*(.*)", info)
    memory = re.search(r"MemTotal:\s*(\d+)", _read_text("/proc/meminfo"))
    changed = " with uncommitted changes" if _run_git("status", "--porcelain") else ""
    return {
        "commit": f"{_run_git('rev-parse', 'HEAD')}{changed}",
        "at": f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
        "processor": f"{model[1] if model else 'unknown'}, {os.cpu_count()} cores",
        "memory": f"{int(memory[1]) / 2**20:.1f} GiB" if memory else "unknown",
        "system": " ".join(os.uname()[index] for index in (0, 2, 4)),
        "Python": sys.version.split()[0],
        "database": _describe_database(),
        "Redis": "yes" if os.environ.get("REDIS_URL", "none") != "none" else "none",
    }


def _describe_database() -> str:
    if not is_postgres():
        return "SQLite"
    with psycopg.connect(os.environ["DATABASE_URL"]) as connection:
        row = connection.execute("SHOW server_version").fetchone()
    return f"PostgreSQL {row[0] if row else 'unknown'}"


def _read_text(path: str) -> str:
    return Path(path).read_text() if Path(path).exists() else ""


def _run_git(*arguments: str) -> str:
    done = subprocess.run(
        ["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=False
    )
    return done.stdout.strip()


if __name__ == "__main__":
    sys.exit(main())
