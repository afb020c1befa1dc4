# ruff: noqa: T201  (it talks to its terminal)
"""The figures of all rounds, and a verdict for each bar."""

from __future__ import annotations

import re
import statistics
from collections import Counter
from dataclasses import dataclass, field

from tests.bench.common import Figures
from tests.bench.tenant_load import MIX, Event
from tests.bench.tenant_results import Times, Wait

MOST_TIMES, MOST_ADDED_MS = 1.25, 50.0  # whichever allows more
CHECK_START_P95, CHECK_START_LONGEST = 2.0, 5.0
HEALTH_P99 = 0.2
OWN_PAGE_SECONDS = 3.0
LONGEST_WAIT = 1.5  # the client may wait for a second; anything longer is a task's due time
OWN_PAGES = ("list page", "requisition page", "details", "resume", "refresh", "click")
NEEDS_GREENHOUSE = ("details", "resume")
TRUE_SENTENCE = re.compile(
    r"Greenhouse('s answer)? (is slow|is busy|is not answering|isn.t answering|isn.t responding"
    r"|did(n.t| not) |does(n.t| not) respond|asks us|limits|could(n.t| not) be reached|was lost)"
    r"|(reach|wait\w*|asking|read\w*)( \w+)? Greenhouse",
)


@dataclass
class Round:
    name: str  # A: nobody misbehaves; B: some do
    began_at: float
    events: list[Event] = field(default_factory=list)
    own_events: list[Event] = field(default_factory=list)  # of customers that misbehave
    health: list[float] = field(default_factory=list)
    worker_waits: list[Wait] = field(default_factory=list)
    web_waits: list[Wait] = field(default_factory=list)
    cpu_share: float = 0.0
    portal_cpu_seconds: float = 0.0
    settling_seconds: float = 0.0
    times: Times = field(default_factory=dict)


class Verdict:
    def __init__(self, rounds: list[Round], problems: list[str], figures: Figures) -> None:
        self._rounds, self._problems, self._figures = rounds, problems, figures
        self._quiet = [each for each in rounds if each.name == "A"]
        self._noisy = [each for each in rounds if each.name == "B"]
        self._is_met = True

    def print_all(self) -> bool:
        self._judge_kinds()
        self._judge_checks()
        self._judge_waits()
        self._judge_health()
        self._judge_own_pages()
        for problem in self._problems[:20]:
            print(f"  {problem}")
        self._judge(f"nothing lost or doubled: {len(self._problems)} problems", not self._problems)
        share = statistics.mean(each.cpu_share for each in self._quiet)
        self._figures.record("CPU share of the machine, A", share)
        events = sum(len(each.events) for each in self._quiet)
        used = sum(each.portal_cpu_seconds for each in self._quiet) / events
        self._figures.record("portal CPU seconds per event, A", used)
        print(
            f"  quiet: {used * 1000:.0f} ms of the portal's CPU per event, {share:.0%} of the CPU"
        )
        return self._is_met

    def _judge(self, description: str, met: bool) -> None:
        self._is_met = self._is_met and met
        print(f"  {'met   ' if met else 'MISSED'} {description}")

    def _judge_kinds(self) -> None:
        print(f"{'':<18}{'A: p50':>9}{'p95':>9}{'n':>6}{'B: p50':>11}{'p95':>9}{'n':>6}  ms")
        for kind in MIX:
            quiet, noisy = _pool_times(self._quiet, kind), _pool_times(self._noisy, kind)
            values = [
                1000 * _get_quantile(times, q) for times in (quiet, noisy) for q in (0.5, 0.95)
            ]
            for name, value in zip(
                (f"{part} ms, {name}" for name in "AB" for part in ("p50", "p95")), values,
                strict=True,
            ):  # fmt: skip
                self._figures.record(f"{kind}, {name}", value)
            a50, a95, b50, b95 = values
            print(
                f"{kind:<18}{a50:9.0f}{a95:9.0f}{len(quiet):6}{b50:11.0f}{b95:9.0f}{len(noisy):6}"
            )
            if not (quiet and noisy):
                print(f"  too few of {kind} to judge")
                continue
            bar = max(MOST_TIMES * a95, a95 + MOST_ADDED_MS)
            self._judge(f"{kind}: p95 {b95:.0f} ms (bar {bar:.0f})", b95 <= bar)

    def _judge_checks(self) -> None:
        delays = _pool_times(self._noisy, "check start")
        late, longest = _get_quantile(delays, 0.95), max(delays, default=0.0)
        self._figures.record("check start, p95 ms, B", 1000 * late)
        self._figures.record("check start, longest ms, B", 1000 * longest)
        self._judge(f"checks start within {late:.2f} s (p95)", late <= CHECK_START_P95)
        self._judge(f"the latest after {longest:.2f} s", longest <= CHECK_START_LONGEST)

    def _judge_waits(self) -> None:
        waits = [wait for each in self._rounds for wait in each.worker_waits]
        web = sum(wait.seconds for each in self._rounds for wait in each.web_waits)
        long_waits = [wait for wait in waits if wait.seconds > LONGEST_WAIT]
        slept = sum(wait.seconds for wait in waits)
        print(f"  slept for Greenhouse: workers {slept:.1f} s, web {web:.1f} s")
        for where, count in Counter(wait.where for wait in long_waits).most_common(5):
            print(f"    {count} waits over {LONGEST_WAIT} s in {where}")
        seconds = sum(wait.seconds for wait in long_waits)
        self._judge(f"{seconds:.1f} worker-seconds in waits over {LONGEST_WAIT} s", not long_waits)

    def _judge_health(self) -> None:
        seconds = [value for each in self._noisy for value in each.health]
        late = _get_quantile(seconds, 0.99)
        self._figures.record("healthz, p99 ms, B", 1000 * late)
        self._judge(f"/healthz p99 {1000 * late:.0f} ms", late <= HEALTH_P99)

    def _judge_own_pages(self) -> None:
        own = [e for each in self._noisy for e in each.own_events if e.kind in OWN_PAGES]
        longest = max((event.seconds for event in own), default=0.0)
        slow = Counter(event.kind for event in own if event.seconds > OWN_PAGE_SECONDS)
        self._figures.record("own pages, longest ms", 1000 * longest)
        self._judge(
            f"{len(own)} pages of those who misbehave within {longest:.2f} s, slow: {dict(slow)}",
            not slow,
        )
        needing = [event for event in own if event.kind in NEEDS_GREENHOUSE]
        silent = [e for e in needing if not TRUE_SENTENCE.search(e.text) or not e.is_accepted]
        self._judge(
            f"{len(needing) - len(silent)} of {len(needing)} that need Greenhouse say so",
            not silent,
        )


def _pool_times(rounds: list[Round], kind: str) -> list[float]:
    return sorted(seconds for each in rounds for seconds in each.times.get(kind, ()))


def _get_quantile(values: list[float], share: float) -> float:
    """Return a measured value, NaN without any."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))] if ordered else float("nan")
