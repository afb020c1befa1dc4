"""The runs of a connection as its history page shows them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from portal.connections.models import Connection
from portal.issues.models import Issue
from portal.mirror import schedule
from portal.mirror.models import SyncRun, SyncStep
from portal.mirror.steps import LABELS

SHOWN = 20
CHARTED = 40
WIDTH, HEIGHT, GAP = 16, 96, 4
_OURS = (
    Issue.Cause.GREENHOUSE_DOWN,
    Issue.Cause.RATE_LIMIT,
    Issue.Cause.SYNC_FAILING,
    Issue.Cause.MOST_MISSING,
)


@dataclass(frozen=True)
class LeftOut:
    """Lists that a run left out for the same reason, by their labels."""

    labels: str
    because: str


@dataclass(frozen=True)
class Line:
    """A run, its steps with their labels, their sums, and what it left out."""

    run: SyncRun
    steps: list[tuple[str, SyncStep]] = field(default_factory=list)
    left_out: list[LeftOut] = field(default_factory=list)

    @property
    def lasted(self) -> timedelta | None:
        run = self.run
        if run.started_at is None or run.finished_at is None:
            return None
        return timedelta(seconds=round((run.finished_at - run.started_at).total_seconds(), 1))

    @property
    def seconds(self) -> float:
        return self.lasted.total_seconds() if self.lasted else 0.0

    @property
    def changes(self) -> int:
        return sum(step.created + step.changed + step.gone for _, step in self.steps)

    @property
    def requests(self) -> int:
        return sum(step.requests for _, step in self.steps)

    @property
    def pill(self) -> str:
        return "syncing" if self.run.status == SyncRun.Status.RUNNING else self.run.status


def of(connection: Connection) -> dict[str, Any]:
    """What the page shows. A constant number of queries, whatever there is."""
    runs = connection.syncs.exclude(scope=SyncRun.Scope.PEOPLE).prefetch_related("steps")
    lines = [_line(run) for run in runs[:CHARTED]]
    people = connection.syncs.filter(scope=SyncRun.Scope.PEOPLE).first()
    when, scope = schedule.next_run(connection)
    running = next((line for line in lines if line.run.is_open), None)
    failing = not running and bool(lines) and lines[0].run.status == SyncRun.Status.FAILED
    return {
        "lines": lines[:SHOWN],
        "bars": _bars(lines),
        "chart_width": max(1, len(lines)) * (WIDTH + GAP),
        "chart_height": HEIGHT,
        "running": running,
        "failing": lines[0].run if failing else None,
        "issues": Issue.objects.filter(
            organization=connection.organization_id, cause__in=_OURS, closed_at=None
        ),
        "people": people,
        "next_at": when,
        "next_scope": SyncRun.Scope(scope).label,
    }


def _line(run: SyncRun) -> Line:
    order = list(LABELS)
    steps = sorted(run.steps.all(), key=lambda step: order.index(step.kind))
    read = [(LABELS[step.kind], step) for step in steps if not step.because]
    return Line(run, read, left_out(steps))


def left_out(steps: Iterable[SyncStep]) -> list[LeftOut]:
    """What these steps left out, each reason once."""
    labels: dict[str, list[str]] = {}
    for step in steps:
        if step.because:
            labels.setdefault(step.because, []).append(LABELS[step.kind])
    return [LeftOut(", ".join(of_them), because) for because, of_them in labels.items()]


def _bars(lines: list[Line]) -> list[dict[str, Any]]:
    """A bar per run, oldest first: its height is how long it took, the dot how much changed."""
    longest = max((line.seconds for line in lines), default=0) or 1
    most = max((line.changes for line in lines), default=0) or 1
    bars = []
    for place, line in enumerate(reversed(lines)):
        tall = round(max(2, (HEIGHT - 8) * line.seconds / longest))
        bars.append(
            {
                "line": line,
                "x": place * (WIDTH + GAP),
                "y": HEIGHT - tall,
                "width": WIDTH,
                "height": tall,
                "dot_x": place * (WIDTH + GAP) + WIDTH // 2,
                "dot_y": HEIGHT - 4 - round((HEIGHT - 12) * line.changes / most),
            }
        )
    return bars
