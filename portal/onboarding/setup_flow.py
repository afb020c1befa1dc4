"""Setup as a sequence of steps, computed from the data; no step is stored."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cached_property

from django.urls import reverse

from portal.accounts.models import User
from portal.applications.pending import releasing
from portal.connections import connection_state, disconnection
from portal.connections.credentials import rotation
from portal.connections.models import CheckRun, Connection, Credential
from portal.connections.permissions import check_runs, fix_links, monitor
from portal.connections.permissions.features import Features, load_features
from portal.core import queue
from portal.sync.cancellation import cancel_outdated_runs, cancel_runs
from portal.sync.engine import plan, run_lifecycle
from portal.sync.models import SyncRun

DELETE_DATA_TASK = "portal.onboarding.tasks.delete_synced_data"


@dataclass(frozen=True)
class SetupStep:
    """`state` is done, current, open (reachable) or todo."""

    key: str
    label: str
    url: str
    state: str


def request_check(
    connection: Connection, *, by: User | None, only: Collection[str] = ()
) -> CheckRun:
    """Check all permissions, or `only` these; joins an open check.

    Syncs with a replaced credential are canceled. Raises NoCredentialToCheck.
    """
    cancel_outdated_runs(connection)
    run, is_new = check_runs.open_run(connection, by=by, only=only)
    if is_new:
        connection_state.mark_checking(connection, by=by)
        queue.enqueue_task(
            check_runs.CHECK_TASK, run.pk, organization_id=connection.organization_id
        )
    return run


def request_pending_check(connection: Connection, *, by: User | None) -> None:
    pending = rotation.find_credential(connection, Credential.State.PENDING)
    if pending is None:
        return
    run, is_new = check_runs.open_run(connection, by=by, credential=pending)
    if is_new:
        queue.enqueue_task(
            check_runs.CHECK_TASK, run.pk, organization_id=connection.organization_id
        )


def request_sync(connection: Connection, *, by: User | None) -> SyncRun:
    return run_lifecycle.request_sync(connection, SyncRun.Scope.FULL, by=by)


def handle_check_result(check: CheckRun) -> None:
    """After a check: decide the state, notify of changes, start the first sync when ready."""
    connection = check.connection
    check.credential.refresh_from_db(fields=["state"])  # it may have been replaced during the check
    if check.credential.state != Credential.State.IN_USE or connection.data_deletion_pending:
        return
    synced = plan.get_last_successful_run(connection) is not None
    monitor.record_check_result(check, was_live=synced)
    if check.status == CheckRun.Status.DONE:
        fix_links.end_resolved_fix_links(check)
    state = connection_state.update_state(connection, synced=synced)
    if state == Connection.State.SYNCING:
        request_sync(connection, by=check.requested_by)
    elif state in Connection.LIVE_STATES:
        _restart_interrupted_sync(connection, by=check.requested_by)
        run_lifecycle.request_granted_lists(connection)


def pause_connection(connection: Connection, *, by: User) -> bool:
    """Pause syncs, including a running one, and actions. False if the state does not allow it."""
    paused = connection_state.pause_connection(connection, by=by)
    if paused:
        cancel_runs(connection)
    return paused


def _restart_interrupted_sync(connection: Connection, *, by: User | None) -> None:
    newest = connection.syncs.exclude(scope=SyncRun.Scope.PEOPLE).first()
    if newest is None or newest.status not in SyncRun.CUT_SHORT:
        return
    replaced = newest.status == SyncRun.Status.REPLACED
    run_lifecycle.request_sync(connection, SyncRun.Scope.FULL if replaced else newest.scope, by=by)


def needs_rotation(connection: Connection) -> bool:
    """Whether a new credential must be checked before it replaces the one in use.

    Not before the first sync, and not if the credential in use has stopped working.
    """
    if connection.credential is None or plan.get_last_successful_run(connection) is None:
        return False
    last_check = connection.last_check
    return last_check is None or last_check.cause not in connection_state.NEEDS_NEW_CREDENTIAL


def handle_credential_switch(connection: Connection, *, by: User) -> None:
    """After a switch: decide the state by the new credential's own check, and sync with it."""
    cancel_outdated_runs(connection)
    check = connection.last_check
    if check is not None and not check.is_open:
        handle_check_result(check)
    connection.refresh_from_db()
    if connection.state in Connection.LIVE_STATES:
        request_sync(connection, by=by)


def disconnect_greenhouse(connection: Connection, *, by: User) -> bool:
    """Disconnect; a worker deletes the synced data. False if already disconnected."""
    ended = disconnection.end_connection(connection, by=by)
    if ended:
        releasing.cancel_of_connection(connection, by=by)
        _request_data_deletion(connection)
    return ended


def change_account(connection: Connection, *, by: User) -> None:
    """Delete the synced data of the previous account, then check and sync the new one."""
    releasing.cancel_of_connection(connection, by=by)
    disconnection.mark_account_changed(connection, by=by)
    _request_data_deletion(connection)


def _request_data_deletion(connection: Connection) -> None:
    queue.enqueue_task(DELETE_DATA_TASK, connection.pk, organization_id=connection.organization_id)


def handle_data_deleted(connection: Connection) -> None:
    """Continue with a credential that was entered in the meantime."""
    disconnection.finish_data_deletion(connection)
    if connection.credential is not None:
        request_check(connection, by=None)


class SetupStatus:
    """How far setup has come. Each part is read once, when it is first needed."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection

    @cached_property
    def credentials(self) -> Mapping[str, Credential]:
        """By state, without the deleted ones."""
        return rotation.load_credentials(self.connection)

    @property
    def credential(self) -> Credential | None:
        """The one in use."""
        return self.credentials.get(Credential.State.IN_USE)

    @cached_property
    def features(self) -> Features:
        return load_features(self.connection)

    @cached_property
    def newest_runs(self) -> Mapping[str, SyncRun]:
        """The newest completed sync of each scope."""
        return plan.load_newest_runs(self.connection)

    @property
    def last_sync(self) -> SyncRun | None:
        """The newest completed one, except of people only."""
        runs = [run for scope, run in self.newest_runs.items() if scope != SyncRun.Scope.PEOPLE]
        return max(runs, key=lambda run: run.pk, default=None)

    @cached_property
    def current_step(self) -> str:
        """The key of the first step that is not done."""
        if self.credential is None:
            return "credential" if self.connection.confirmed_requirements else "start"
        if not self.features.checked or self.features.blocked:
            return "permissions"
        if self.last_sync:
            return "live"
        return "sync" if self.connection.people_reviewed_at else "people"


_STEPS = (
    ("start", "Prepare"),
    ("credential", "Credential"),
    ("permissions", "Permissions"),
    ("people", "People"),
    ("sync", "First sync"),
    ("live", "Live"),
)
STEPS_BEFORE_PEOPLE = frozenset({"start", "credential", "permissions"})
# Steps that open together: no requirement blocks the credential, and the first sync fills the
# people page while it runs.
_OPENS_WITH = {"start": "credential", "people": "sync"}


def build_steps(status: SetupStatus, *, shown_step: str) -> list[SetupStep]:
    current_step = status.current_step
    keys = [key for key, _ in _STEPS]
    last_reachable = keys.index(_OPENS_WITH.get(current_step, current_step))
    done_count = _count_done_steps(status.connection, current_step, keys.index(shown_step))
    steps = []
    for number, (key, label) in enumerate(_STEPS):
        is_reachable = number <= last_reachable
        state = "todo"
        if key == shown_step:
            state = "current"
        elif number < done_count:
            state = "done"
        elif is_reachable:
            state = "open"
        steps.append(
            SetupStep(key, label, reverse(f"onboarding:{key}") if is_reachable else "", state)
        )
    return steps


def _count_done_steps(connection: Connection, current_step: str, shown_number: int) -> int:
    keys = [key for key, _ in _STEPS]
    if current_step == "start":
        return min(shown_number, keys.index("credential"))  # preparing is optional
    if current_step != "live":
        return keys.index(current_step)
    # The first sync may end before the admin has seen the steps ahead: those aren't done yet.
    if connection.people_reviewed_at is None:
        return max(keys.index("people"), shown_number)
    return len(keys)
