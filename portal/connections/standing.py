"""Where a connection stands: the one place that decides its state."""

from __future__ import annotations

from portal.accounts.models import User
from portal.connections.features import features
from portal.connections.models import CheckRun, Connection
from portal.core import transitions

State = Connection.State
NEEDS_NEW_CREDENTIAL = {CheckRun.Cause.CREDENTIAL, CheckRun.Cause.UNREADABLE}


def connection_of(organization_id: int) -> Connection:
    """The organization's connection, made as a draft when it has none yet."""
    return Connection.objects.get_or_create(organization_id=organization_id)[0]


def checking(connection: Connection, *, by: User | None) -> None:
    """A check begins. A first sync or a pause is not disturbed by it."""
    if State.CHECKING in Connection.MOVES[State(connection.state)]:
        transitions.won(
            connection,
            State.CHECKING,
            why="a check was asked for",
            by=by,
            field="state",
        )


def settle(connection: Connection, *, synced: bool) -> str:
    """Decide the state from the newest check and from whether the mirror was ever filled.

    Called after a check and after a sync. Gives back the state that now holds.
    """
    connection.refresh_from_db(fields=["state"])
    to, why = _verdict(connection, synced=synced)
    if to != connection.state:
        transitions.won(connection, to, why=why, field="state")
    return connection.state


def _verdict(connection: Connection, *, synced: bool) -> tuple[str, str]:
    check = connection.last_check
    if check is None or check.is_open:
        return connection.state, ""
    # Greenhouse being down takes nothing away from a connection that worked; a bad credential does.
    if check.status == CheckRun.Status.FAILED and (
        not synced or check.cause in NEEDS_NEW_CREDENTIAL
    ):
        return State.ACTION_NEEDED, check.failure
    found = features(connection)
    if not found.checked or found.blocked:
        return State.ACTION_NEEDED, "something essential is missing"
    if not synced:
        return State.SYNCING, "everything essential is granted"
    if found.lacking:
        return State.DEGRADED, "something that is asked for is missing"
    return State.LIVE, "everything that is asked for is granted"
