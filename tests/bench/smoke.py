# ruff: noqa: T201, S603  (it talks to its terminal, and runs the benchmarks)
"""Run every benchmark at its small size and check that it measured all its figures.

    DATABASE_URL=postgres://… REDIS_URL=redis://… python -m tests.bench.smoke [NAME …]

How fast anything was is not judged. Without PostgreSQL the benchmarks that need it are left out,
which fails in CI. Exits with 1 where a benchmark failed or lacks a figure.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.bench.common import (
    ROOT,
    create_database,
    drop_database,
    find_unmeasured,
    is_postgres,
    migrate,
)

# The longest first, side by side. Some wait for the clock: one more runs than there are cores.
BENCHMARKS = ("tenants", "capacity", "click", "support", "sync", "pages", "client")
NEED_POSTGRES = {"support", "pages", "tenants", "capacity"}
HAVE_REPORT = {"support", "pages"}
TEMPLATE = "bench_template"
TIMEOUT = 300


def main() -> int:
    chosen = [name for name in BENCHMARKS if name in sys.argv[1:] or not sys.argv[1:]]
    left_out = [name for name in chosen if name in NEED_POSTGRES and not is_postgres()]
    started = time.monotonic()
    with (
        tempfile.TemporaryDirectory() as folder,
        ThreadPoolExecutor((os.cpu_count() or 1) + 1) as pool,
    ):
        template = _make_template() if is_postgres() else ""

        def run(name: str) -> str:
            return _run(name, template, Path(folder))

        runs = {name: pool.submit(run, name) for name in chosen if name not in left_out}
        problems = {name: run.result() for name, run in runs.items()}
    if template:
        for name in (TEMPLATE, *runs):
            drop_database(name)
    for name in left_out:
        print(f"{name:<8} left out: set DATABASE_URL to a PostgreSQL database")
    print(f"{len(runs)} benchmarks in {time.monotonic() - started:.0f} s")
    failed = any(problems.values()) or (bool(left_out) and "CI" in os.environ)
    return 1 if failed else 0


def _make_template() -> str:
    url = create_database(TEMPLATE)
    migrate(url)
    return url.rsplit("/", 1)[1]


def _run(name: str, template: str, folder: Path) -> str:
    """Run a benchmark, print how that went, and return what is wrong with it, if anything."""
    figures = folder / f"{name}.json"
    command = [sys.executable, "-m", f"tests.bench.bench_{name}", "--small"]
    command += ["--figures", str(figures), "--template", template]
    if name in HAVE_REPORT:
        command += ["--report", str(folder / f"{name}.md")]
    started = time.monotonic()
    try:
        done = subprocess.run(
            command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=TIMEOUT
        )
    except subprocess.TimeoutExpired:
        problem = f"still running after {TIMEOUT} s"
    else:
        problem = _find_problem(done, figures)
    measured = len(json.loads(figures.read_text())) if figures.exists() else 0
    seconds = time.monotonic() - started
    print(f"{name:<8} {measured:>3} figures in {seconds:4.1f} s  {problem or 'ok'}", flush=True)
    return problem


def _find_problem(done: subprocess.CompletedProcess[str], figures: Path) -> str:
    if not figures.exists():
        return f"no figures\n{done.stdout}{done.stderr}"
    measured: dict[str, float | None] = json.loads(figures.read_text())
    if unmeasured := find_unmeasured(measured):
        return f"not measured: {', '.join(unmeasured)}"
    if not measured:
        return "no figures"
    if done.returncode:
        return f"ended with {done.returncode}\n{done.stdout}{done.stderr}"
    return ""


if __name__ == "__main__":
    sys.exit(main())
