"""Mutate the modules that must not go wrong, and see what the tests miss: `make mutants`."""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.mutants.mutations import draw_mutations
from tests.mutants.results import kill_rate, write_report
from tests.mutants.runner import MutantRunner
from tests.mutants.targets import TARGETS

BAR = 0.85


def main() -> int:
    arguments = _parse_arguments()
    began = time.monotonic()
    os.environ["CI"] = "1"  # Hypothesis draws the same examples each time
    os.environ.pop("DATABASE_URL", None)  # SQLite: each mutation gets a copy of the file
    with_redis = os.environ.get("REDIS_URL", "none") != "none"
    targets = [t for t in TARGETS if arguments.only in t.module]
    drawn = draw_mutations(targets, arguments.count, arguments.seed, with_redis=with_redis)
    modules = {mutation.module for mutation in drawn}
    tests = dict.fromkeys(test for t in targets if t.module in modules for test in t.tests)
    with TemporaryDirectory(prefix="mutants-") as scratch:
        runner = MutantRunner(drawn, jobs=arguments.jobs, scratch=Path(scratch))
        pytest.main(["-q", "--capture=sys", "-p", "no:randomly", *tests], plugins=[runner])
    if len(runner.results) < len(drawn):
        print("pytest stopped before the end.", file=sys.stderr)
        return 2
    heading = (
        f"{len(drawn)} mutations, seed {arguments.seed}, {arguments.jobs} at once, "
        f"{'with' if with_redis else 'without'} Redis, "
        f"{(time.monotonic() - began) / 60:.1f} minutes."
    )
    if failed := runner.failed_unmutated:
        heading += f"\n\nNot used, since they fail without any mutation: {', '.join(failed)}."
    write_report(runner.results, heading=heading, to=arguments.report)
    print(f"{heading}\n{kill_rate(runner.results):.1%} killed; see {arguments.report}")
    return 0 if kill_rate(runner.results) >= BAR else 1


def _parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.mutants", description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--only", default="", help="only modules whose path contains this")
    parser.add_argument("--report", type=Path, default=Path("artifacts/mutants.md"))
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
