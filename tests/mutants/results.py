"""What came of a mutation, and the report of a run."""

from __future__ import annotations

import tomllib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from tests.mutants.mutations import Mutation

REASONS = Path(__file__).with_name("survivors.toml")


class Outcome(StrEnum):
    KILLED = "killed"
    # Count as killed, since that test takes no such time unmutated: neither before nor afterwards.
    TIMED_OUT = "took too much processor time"
    WAITED = "waited too long"
    SURVIVED = "survived"
    NOT_RUN = "survived: no test runs this line"


@dataclass(frozen=True)
class Result:
    mutation: Mutation
    outcome: Outcome
    seconds: float
    killed_by: str = ""

    @property
    def is_killed(self) -> bool:
        return self.outcome in (Outcome.KILLED, Outcome.TIMED_OUT, Outcome.WAITED)


def read_reasons() -> dict[tuple[str, str], str]:
    """Why a mutation may survive, by module and diff."""
    entries = tomllib.loads(REASONS.read_text())["survivor"]
    return {(e["module"], e["diff"].strip()): e["reason"] for e in entries}


def write_report(results: Sequence[Result], *, heading: str, to: Path) -> None:
    to.parent.mkdir(parents=True, exist_ok=True)
    to.write_text("\n".join(_report(results, heading)) + "\n")


def kill_rate(results: Sequence[Result]) -> float:
    return sum(r.is_killed for r in results) / len(results) if results else 1.0


def _report(results: Sequence[Result], heading: str) -> list[str]:
    reasons = read_reasons()
    survivors = [r for r in results if not r.is_killed]
    outcomes = Counter(r.outcome for r in results)
    lines = [
        "# Mutation report",
        "",
        heading,
        "",
        f"{len(results) - len(survivors)} of {len(results)} killed: {kill_rate(results):.1%}. Of "
        f"these, {outcomes[Outcome.TIMED_OUT]} {Outcome.TIMED_OUT}, and {outcomes[Outcome.WAITED]} "
        f"{Outcome.WAITED}.",
        "",
        "| Module | Mutations | Killed |",
        "|---|---|---|",
    ]
    drawn = Counter(r.mutation.module for r in results)
    killed = Counter(r.mutation.module for r in results if r.is_killed)
    lines += [f"| {module} | {drawn[module]} | {killed[module]} |" for module in sorted(drawn)]
    lines += ["", "## Survivors", ""]
    for result in survivors:
        mutation = result.mutation
        reason = reasons.get((mutation.module, mutation.diff().strip()), "**no reason given**")
        lines += [
            f"### {mutation.path}:{mutation.position[0]} {mutation.operator}",
            "",
            f"{result.outcome}; {reason}",
            "",
            "```diff",
            mutation.diff(),
            "```",
            "",
        ]
    lines += [
        "## All",
        "",
        "| Place | Operator | Outcome | Seconds | By |",
        "|---|---|---|---|---|",
    ]
    for result in results:
        mutation = result.mutation
        lines.append(
            f"| {mutation.path}:{mutation.position[0]} | {mutation.operator} "
            f"| {result.outcome} | {result.seconds:.1f} | {result.killed_by} |"
        )
    return lines
