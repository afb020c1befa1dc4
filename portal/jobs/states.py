"""What the list of requisitions can show at all, and what must be said above it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from portal.accounts.models import Membership
from portal.connections.models import Connection
from portal.entitlements.people import Standing
from portal.entitlements.rules import Rights
from portal.mirror import freshness
from portal.mirror.models import SyncRun, SyncStep
from portal.mirror.steps import LABELS


@dataclass(frozen=True)
class State:
    """`kind`: unconnected, paused, off (disconnected), unmatched, first_sync, first_sync_failed or
    list.

    Of a first sync: how many of its steps are done, and which is being read. `failure`: what the
    newest sync said when it could not be finished, "" where it could.
    """

    kind: str
    as_of: datetime | None = None
    stale: bool = False
    failure: str = ""
    done: int = 0
    steps: int = 0
    reading: str = ""

    @property
    def words(self) -> str:
        """How far a first sync is."""
        step = f"step {min(self.done + 1, self.steps)} of {self.steps}"
        return f"{self.reading}, {step}" if self.reading else step.capitalize()

    @property
    def shows_list(self) -> bool:
        return self.kind == "list"


def of_list(held: Rights) -> State:
    connection = held.match.connection
    if connection is None or connection.state == Connection.State.DRAFT:
        return State("unconnected")
    if not held.connected:
        paused = connection.state == Connection.State.PAUSED
        return State("paused" if paused else "off")
    fresh = freshness.of(connection)
    if fresh.state == freshness.State.NEVER:
        return _first_sync(connection.syncs.exclude(scope=SyncRun.Scope.PEOPLE).first())
    if held.match.standing != Standing.MATCHED:
        return State("unmatched", as_of=fresh.as_of)
    runs = connection.syncs.exclude(scope=SyncRun.Scope.PEOPLE)  # as the freshness does
    newest = None if fresh.state == freshness.State.LIVE else runs.first()
    failed = newest is not None and newest.status == SyncRun.Status.FAILED
    return State(
        "list",
        as_of=fresh.as_of,
        stale=fresh.stale,
        failure=newest.failure if failed and newest else "",
    )


def admins(member: Membership) -> str:
    """Who can mend it in the member's organization, as the end of a sentence: ": Ada or Bo"."""
    found = Membership.objects.filter(
        organization=member.organization_id, role=Membership.Role.ADMIN, user__is_active=True
    )
    names = [str(one.user) for one in found.select_related("user").order_by("user__name", "id")[:3]]
    if not names:
        return "."
    *first, last = names
    return f": {', '.join(first)} or {last}." if first else f": {last}."


def _first_sync(run: SyncRun | None) -> State:
    if run is not None and run.status == SyncRun.Status.FAILED:
        return State("first_sync_failed", failure=run.failure)
    steps = list(run.steps.exclude(status=SyncStep.Status.LEFT_OUT)) if run else []
    reading = next((s.kind for s in steps if s.status == s.Status.RUNNING), "")
    return State(
        "first_sync",
        done=sum(s.finished_at is not None for s in steps),
        steps=len(steps),
        reading=LABELS.get(reading, ""),
    )
