"""Set-up as a journey: what is done, what is next. Nothing stores a step; the facts tell it."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from django.urls import reverse

from portal.accounts.models import User
from portal.connections import standing, verify
from portal.connections.features import features
from portal.connections.models import CheckRun, Connection
from portal.core import queue
from portal.mirror import sync
from portal.mirror.models import SyncRun

CHECK = "portal.onboarding.tasks.check"
SYNC = "portal.mirror.tasks.run"


@dataclass(frozen=True)
class Step:
    """A step of the visible path. `state`: done, current, stuck or todo."""

    key: str
    label: str
    url: str
    state: str


def request_check(
    connection: Connection, *, by: User | None, only: Collection[str] = ()
) -> CheckRun:
    """Have all permissions checked, or `only` these. An open check is joined.

    Raises verify.NothingToCheck.
    """
    run, new = verify.open_run(connection, by=by, only=only)
    if new:
        standing.checking(connection, by=by)
        queue.enqueue(CHECK, run.pk)
    return run


def request_sync(connection: Connection, *, by: User | None) -> SyncRun:
    """Have the mirror refreshed. An open run is joined."""
    run, new = sync.open_run(connection, by=by)
    if new:
        queue.enqueue(SYNC, run.pk)
    return run


def checked(check: CheckRun) -> None:
    """A check has ended: decide the state, and begin the first sync when nothing stands against."""
    connection = check.connection
    state = standing.settle(connection, synced=sync.last_good(connection) is not None)
    if state == Connection.State.SYNCING:
        request_sync(connection, by=check.requested_by)


def current(connection: Connection) -> str:
    """The key of the first step that is not done: credential, permissions, sync or live."""
    if connection.credential is None:
        return "credential"
    found = features(connection)
    if not found.checked or found.blocked:
        return "permissions"
    return "live" if sync.last_good(connection) else "sync"


_PATH = (
    ("credential", "Credential"),
    ("permissions", "Permissions"),
    ("sync", "First sync"),
    ("live", "Live"),
)


def path(now: str, *, here: str) -> list[Step]:
    """The visible path: `now` is the `current` step, `here` the page that is shown."""
    keys = [key for key, _ in _PATH]
    reached = keys.index(now)
    if reached == len(keys) - 1:
        reached = len(keys)  # live is done, not merely next
    steps = []
    for number, (key, label) in enumerate(_PATH):
        state = "current" if key == here else "done" if number < reached else "todo"
        url = reverse(f"onboarding:{key}") if number <= reached else ""
        steps.append(Step(key, label, url, state))
    return steps
