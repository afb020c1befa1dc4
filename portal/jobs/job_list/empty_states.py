"""Which state of the requisition list to show."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from portal.connections.models import Connection
from portal.entitlements.rules import Rights
from portal.entitlements.user_matching import MatchStatus
from portal.sync import freshness
from portal.sync.engine.steps import STEP_LABELS
from portal.sync.models import SyncRun, SyncStep


@dataclass(frozen=True)
class ListState:
    # unconnected, paused, off (disconnected), unmatched, first_sync, first_sync_failed or list
    kind: str
    as_of: datetime | None = None
    stale: bool = False
    failure: str = ""  # of the latest sync
    # Steps of the first sync.
    done: int = 0
    steps: int = 0
    current_step: str = ""

    @property
    def progress_text(self) -> str:
        step = f"step {min(self.done + 1, self.steps)} of {self.steps}"
        return f"{self.current_step}, {step}" if self.current_step else step.capitalize()

    @property
    def shows_list(self) -> bool:
        return self.kind == "list"


def get_list_state(rights: Rights) -> ListState:
    connection = rights.match.connection
    if connection is None or connection.state == Connection.State.DRAFT:
        return ListState("unconnected")
    if not rights.is_connected:
        paused = connection.state == Connection.State.PAUSED
        return ListState("paused" if paused else "off")
    list_freshness = freshness.get_freshness(connection)
    if list_freshness.state == freshness.State.NEVER:
        return _get_first_sync_state(connection.syncs.exclude(scope=SyncRun.Scope.PEOPLE).first())
    if rights.match.status != MatchStatus.MATCHED:
        return ListState("unmatched", as_of=list_freshness.as_of)
    runs = connection.syncs.exclude(scope=SyncRun.Scope.PEOPLE)  # like freshness
    latest_run = None if list_freshness.state == freshness.State.LIVE else runs.first()
    failed = latest_run is not None and latest_run.status == SyncRun.Status.FAILED
    return ListState(
        "list",
        as_of=list_freshness.as_of,
        stale=list_freshness.stale,
        failure=latest_run.failure if failed and latest_run else "",
    )


def _get_first_sync_state(run: SyncRun | None) -> ListState:
    if run is not None and run.status == SyncRun.Status.FAILED:
        return ListState("first_sync_failed", failure=run.failure)
    steps = list(run.steps.exclude(status=SyncStep.Status.SKIPPED)) if run else []
    running_kind = next((s.kind for s in steps if s.status == s.Status.RUNNING), "")
    return ListState(
        "first_sync",
        done=sum(s.finished_at is not None for s in steps),
        steps=len(steps),
        current_step=STEP_LABELS.get(running_kind, ""),
    )
