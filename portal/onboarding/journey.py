"""Set-up as a journey: what is done, what is next. Nothing stores a step; the facts tell it."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from django.urls import reverse

from portal.accounts.models import User
from portal.connections import drift, fix_links, leave, rotate, standing, verify
from portal.connections.features import features
from portal.connections.models import CheckRun, Connection, Credential
from portal.core import queue
from portal.mirror import plan, sync
from portal.mirror.models import SyncRun
from portal.mirror.stop import outdated, stop

CHECK = "portal.onboarding.tasks.check"
EMPTY = "portal.onboarding.tasks.empty"
_READING = frozenset({Connection.State.LIVE, Connection.State.DEGRADED})


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
    """Have all permissions checked, or `only` these. An open check is joined. No sync goes on with
    a credential that this one has replaced.

    Raises verify.NothingToCheck.
    """
    outdated(connection)
    run, new = verify.open_run(connection, by=by, only=only)
    if new:
        standing.checking(connection, by=by)
        queue.enqueue(CHECK, run.pk)
    return run


def request_check_beside(connection: Connection, *, by: User | None) -> None:
    """Have the credential that waits beside checked; the connection goes on as it is."""
    beside = rotate.waiting(connection, Credential.State.BESIDE)
    if beside is None:
        return
    run, new = verify.open_run(connection, by=by, credential=beside)
    if new:
        queue.enqueue(CHECK, run.pk)


def request_sync(connection: Connection, *, by: User | None) -> SyncRun:
    """Have the mirror refreshed. An open run is joined."""
    return sync.request(connection, SyncRun.Scope.FULL, by=by)


def checked(check: CheckRun) -> None:
    """A check has ended: decide the state, say what changed, begin the first sync when it may."""
    connection = check.connection
    check.credential.refresh_from_db(fields=["state"])  # it may have been replaced meanwhile
    if check.credential.state != Credential.State.IN_USE or connection.emptying:
        return  # one that is not in use, or before the mirror is empty, changes nothing
    synced = plan.last_good(connection) is not None
    drift.noted(check, was_live=synced)
    if check.status == CheckRun.Status.DONE:
        fix_links.settle(check)
    state = standing.settle(connection, synced=synced)
    if state == Connection.State.SYNCING:
        request_sync(connection, by=check.requested_by)
    elif state in _READING:
        _take_up(connection, by=check.requested_by)


def pause(connection: Connection, *, by: User) -> bool:
    """Stop syncs, a running one too, and actions. False when it is not in a state to be paused."""
    paused = standing.pause(connection, by=by)
    if paused:
        stop(connection)
    return paused


def _take_up(connection: Connection, *, by: User | None) -> None:
    """What a pause, or another credential, cut short is read now."""
    newest = connection.syncs.exclude(scope=SyncRun.Scope.PEOPLE).first()
    if newest is None or newest.status not in SyncRun.CUT_SHORT:
        return
    replaced = newest.status == SyncRun.Status.REPLACED
    sync.request(connection, SyncRun.Scope.FULL if replaced else newest.scope, by=by)


def needs_rotation(connection: Connection) -> bool:
    """Whether a new credential is to be checked beside the one in use first.

    Not before anybody works with it, and not when the one in use has stopped working anyhow.
    """
    if connection.credential is None or plan.last_good(connection) is None:
        return False
    last = connection.last_check
    return last is None or last.cause not in standing.NEEDS_NEW_CREDENTIAL


def switched(connection: Connection, *, by: User) -> None:
    """Another credential is in use now: decide by its own check, and read with it alone."""
    outdated(connection)
    check = connection.last_check
    if check is not None and not check.is_open:
        checked(check)
    connection.refresh_from_db()
    if connection.state in _READING:
        request_sync(connection, by=by)


def disconnect(connection: Connection, *, by: User) -> bool:
    """End the connection; a worker empties the mirror. False when there is none to end."""
    ended = leave.disconnect(connection, by=by)
    if ended:
        queue.enqueue(EMPTY, connection.pk)
    return ended


def change_account(connection: Connection, *, by: User) -> None:
    """The credential in use opens another account: empty the mirror, then check and read anew."""
    leave.change_account(connection, by=by)
    queue.enqueue(EMPTY, connection.pk)


def emptied(connection: Connection) -> None:
    """The mirror is empty: go on with what was connected meanwhile."""
    leave.emptied(connection)
    if connection.credential is not None:
        request_check(connection, by=None)


def current(connection: Connection) -> str:
    """The key of the first step that is not done."""
    if connection.credential is None:
        return "credential" if connection.prepared else "before"
    found = features(connection)
    if not found.checked or found.blocked:
        return "permissions"
    if plan.last_good(connection):
        return "live"
    return "sync" if connection.people_seen_at else "people"


_PATH = (
    ("before", "Before you begin"),
    ("credential", "Credential"),
    ("permissions", "Permissions"),
    ("people", "People"),
    ("sync", "First sync"),
    ("live", "Live"),
)
BEFORE_PEOPLE = frozenset({"before", "credential", "permissions"})
# Steps that open together: nothing to tick stands before a credential, and the first sync fills
# the people's table while it runs.
_TOGETHER = {"before": "credential", "people": "sync"}


def path(connection: Connection, *, here: str) -> list[Step]:
    """The visible path, with `here` the page that is shown."""
    now = current(connection)
    keys = [key for key, _ in _PATH]
    done = keys.index(now) if now != "live" else len(keys)  # live is done, not merely next
    reached = keys.index(_TOGETHER.get(now, now))
    steps = []
    for number, (key, label) in enumerate(_PATH):
        state = "current" if key == here else "done" if number < done else "todo"
        url = reverse(f"onboarding:{key}") if number <= reached else ""
        steps.append(Step(key, label, url, state))
    return steps
