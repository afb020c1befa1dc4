from __future__ import annotations

from django.urls import reverse
from django.utils import timezone

from portal.accounts.models import User
from portal.connections.models import CheckRun, Connection
from portal.connections.permissions.features import load_features
from portal.core import links, transitions
from portal.notifications import chat, notify

State = Connection.State
NEEDS_NEW_CREDENTIAL = {CheckRun.Cause.CREDENTIAL, CheckRun.Cause.UNREADABLE}


def get_connection(organization_id: int, *, create: bool = False) -> Connection:
    """Return the connection, or an unsaved draft, which only `create` saves."""
    connection = Connection.objects.filter(organization_id=organization_id).first()
    if connection is None and create:
        connection, _ = Connection.objects.get_or_create(organization_id=organization_id)
    return connection or Connection(organization_id=organization_id)


# A check does not interrupt a first sync or a pause.
_STATES_SHOWING_CHECKS = {
    State.DRAFT,
    State.ACTION_NEEDED,
    State.LIVE,
    State.DEGRADED,
    State.DISCONNECTED,
}


def mark_checking(connection: Connection, *, by: User | None) -> None:
    if connection.state in _STATES_SHOWING_CHECKS and not connection.data_deletion_pending:
        transitions.try_move(
            connection,
            State.CHECKING,
            why="check requested",
            by=by,
            field="state",
        )


def pause_connection(connection: Connection, *, by: User) -> bool:
    """Pause syncs and actions. Returns False if the state does not allow it."""
    return transitions.try_move(connection, State.PAUSED, why="paused", by=by, field="state")


def resume_connection(connection: Connection, *, by: User) -> bool:
    """End a pause by moving to CHECKING. Returns False if it was not paused."""
    if connection.state != State.PAUSED:
        return False
    return transitions.try_move(connection, State.CHECKING, why="resumed", by=by, field="state")


def update_state(connection: Connection, *, synced: bool) -> str:
    """Decide and return the state, from the newest check and from whether a sync succeeded."""
    connection.refresh_from_db(fields=["state"])
    if connection.state in {State.DRAFT, State.PAUSED, State.DISCONNECTED}:
        return connection.state
    previous_state = connection.state
    new_state, why = _decide_state(connection, synced=synced)
    if new_state != previous_state and transitions.try_move(
        connection, new_state, why=why, field="state"
    ):
        _notify_when_first_live(connection, previous_state)
    return connection.state


def _notify_when_first_live(connection: Connection, previous_state: str) -> None:
    if previous_state != State.SYNCING or connection.state not in connection.LIVE_STATES:
        return
    organization = connection.organization
    key = f"live:{connection.pk}:{timezone.now():%Y-%m-%d}"
    notify.notify_users(
        notify.list_admins(organization),
        organization,
        key=key,
        subject="Greenhouse is connected",
        body="The first sync is done. Recruiters can now see their requisitions.",
        path=reverse(links.SETUP_LIVE),
    )
    body = "Setup and the first sync are done. Recruiters can now see their requisitions."
    chat.post_message(organization, key=key, text=body, path=notify.get_staff_url(organization))


def _decide_state(connection: Connection, *, synced: bool) -> tuple[str, str]:
    check = connection.last_check
    if check is None or check.is_open:
        return connection.state, ""
    # An outage of Greenhouse does not degrade a synced connection; a bad credential does.
    if check.status == CheckRun.Status.FAILED and (
        not synced or check.cause in NEEDS_NEW_CREDENTIAL
    ):
        return State.ACTION_NEEDED, check.failure
    feature_set = load_features(connection)
    if not feature_set.checked or feature_set.blocked:
        return State.ACTION_NEEDED, "a required permission is missing"
    if not synced:
        return State.SYNCING, "all required permissions are granted"
    if feature_set.lacking:
        return State.DEGRADED, "some permissions are missing"
    return State.LIVE, "all permissions are granted"
