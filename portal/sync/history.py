"""Data of the sync history page."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from portal.connections.models import Connection
from portal.issues.models import Issue
from portal.sync import schedule
from portal.sync.engine.steps import STEP_LABELS
from portal.sync.models import SyncRun, SyncStep

LISTED_RUNS = 20
CHARTED_RUNS = 40
BAR_WIDTH, CHART_HEIGHT, BAR_GAP = 16, 96, 4
_SYNC_ISSUE_CAUSES = (
    Issue.Cause.GREENHOUSE_DOWN,
    Issue.Cause.RATE_LIMIT,
    Issue.Cause.SYNC_FAILING,
    Issue.Cause.MASS_DELETION,
)


@dataclass(frozen=True)
class SkippedLists:
    labels: str  # of lists skipped for the same reason
    reason: str


@dataclass(frozen=True)
class RunRow:
    run: SyncRun
    steps: list[tuple[str, SyncStep]] = field(default_factory=list)
    skipped_lists: list[SkippedLists] = field(default_factory=list)

    @property
    def duration(self) -> timedelta | None:
        run = self.run
        if run.started_at is None or run.finished_at is None:
            return None
        return timedelta(seconds=round((run.finished_at - run.started_at).total_seconds(), 1))

    @property
    def seconds(self) -> float:
        return self.duration.total_seconds() if self.duration else 0.0

    @property
    def changes(self) -> int:
        return sum(step.created + step.changed + step.gone for _, step in self.steps)

    @property
    def requests(self) -> int:
        return sum(step.requests for _, step in self.steps)

    @property
    def pill(self) -> str:
        return "syncing" if self.run.status == SyncRun.Status.RUNNING else self.run.status


def build_history_context(connection: Connection) -> dict[str, Any]:
    runs = connection.syncs.exclude(scope=SyncRun.Scope.PEOPLE).prefetch_related("steps")
    rows = [_build_run_row(run) for run in runs[:CHARTED_RUNS]]
    people = connection.syncs.filter(scope=SyncRun.Scope.PEOPLE).first()
    next_at, scope = schedule.get_next_run(connection)
    running = next((row for row in rows if row.run.is_open), None)
    failing = not running and bool(rows) and rows[0].run.status == SyncRun.Status.FAILED
    return {
        "rows": rows[:LISTED_RUNS],
        "bars": _build_chart_bars(rows),
        "chart_width": max(1, len(rows)) * (BAR_WIDTH + BAR_GAP),
        "chart_height": CHART_HEIGHT,
        "running": running,
        "failing": rows[0].run if failing else None,
        "issues": Issue.objects.filter(
            organization=connection.organization_id, cause__in=_SYNC_ISSUE_CAUSES, closed_at=None
        ),
        "people": people,
        "next_at": next_at,
        "next_scope": SyncRun.Scope(scope).label,
    }


def _build_run_row(run: SyncRun) -> RunRow:
    order = list(STEP_LABELS)
    steps = sorted(run.steps.all(), key=lambda step: order.index(step.kind))
    read = [(STEP_LABELS[step.kind], step) for step in steps if not step.skip_reason]
    return RunRow(run, read, group_skipped_lists(steps))


def group_skipped_lists(steps: Iterable[SyncStep]) -> list[SkippedLists]:
    labels: dict[str, list[str]] = {}
    for step in steps:
        if step.skip_reason:
            labels.setdefault(step.skip_reason, []).append(STEP_LABELS[step.kind])
    return [SkippedLists(", ".join(names), reason) for reason, names in labels.items()]


def _build_chart_bars(rows: list[RunRow]) -> list[dict[str, Any]]:
    max_seconds = max((row.seconds for row in rows), default=0) or 1
    max_changes = max((row.changes for row in rows), default=0) or 1
    bars = []
    for index, row in enumerate(reversed(rows)):
        bar_height = round(max(2, (CHART_HEIGHT - 8) * row.seconds / max_seconds))
        bars.append(
            {
                "row": row,
                "x": index * (BAR_WIDTH + BAR_GAP),
                "y": CHART_HEIGHT - bar_height,
                "width": BAR_WIDTH,
                "height": bar_height,
                "dot_x": index * (BAR_WIDTH + BAR_GAP) + BAR_WIDTH // 2,
                "dot_y": CHART_HEIGHT - 4 - round((CHART_HEIGHT - 12) * row.changes / max_changes),
            }
        )
    return bars
