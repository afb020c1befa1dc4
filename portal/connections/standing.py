"""Where a connection stands: the one place that decides its state."""

from __future__ import annotations

from django.utils import timezone

from portal.accounts.models import User
from portal.connections.features import features
from portal.connections.models import CheckRun, Connection
from portal.core import transitions
from portal.notices import chat, tell

State = Connection.State
NEEDS_NEW_CREDENTIAL = {CheckRun.Cause.CREDENTIAL, CheckRun.Cause.UNREADABLE}


def connection_of(organization_id: int, *, begin: bool = False) -> Connection:
    """The organization's connection; where it has none yet, a draft.

    The draft is stored with `begin` only: looking at a page begins nothing.
    """
    known = Connection.objects.filter(organization_id=organization_id).first()
    if known is None and begin:
        known, _ = Connection.objects.get_or_create(organization_id=organization_id)
    return known or Connection(organization_id=organization_id)


# A first sync or a pause is not disturbed by a check.
_SHOWS_CHECKS = {
    State.DRAFT,
    State.ACTION_NEEDED,
    State.LIVE,
    State.DEGRADED,
    State.DISCONNECTED,
}


def checking(connection: Connection, *, by: User | None) -> None:
    """A check begins that somebody asked for."""
    if connection.state in _SHOWS_CHECKS and not connection.emptying:
        transitions.won(
            connection,
            State.CHECKING,
            why="a check was asked for",
            by=by,
            field="state",
        )


def pause(connection: Connection, *, by: User) -> bool:
    """Stop syncs and actions. False when it is not in a state to be paused."""
    return transitions.won(connection, State.PAUSED, why="paused", by=by, field="state")


def resume(connection: Connection, *, by: User) -> bool:
    """End a pause; a check then tells where it stands. False when it was not paused."""
    if connection.state != State.PAUSED:
        return False
    return transitions.won(connection, State.CHECKING, why="resumed", by=by, field="state")


def settle(connection: Connection, *, synced: bool) -> str:
    """Decide the state from the newest check and from whether the mirror was ever filled.

    Called after a check and after a sync. Gives back the state that now holds.
    """
    connection.refresh_from_db(fields=["state"])
    if connection.state in {State.DRAFT, State.PAUSED, State.DISCONNECTED}:
        return connection.state
    before = connection.state
    to, why = _verdict(connection, synced=synced)
    if to != before and transitions.won(connection, to, why=why, field="state"):
        _tell_when_first_live(connection, before)
    return connection.state


def _tell_when_first_live(connection: Connection, before: str) -> None:
    if before != State.SYNCING or connection.state not in {State.LIVE, State.DEGRADED}:
        return
    organization = connection.organization
    key = f"live:{connection.pk}:{timezone.now():%Y-%m-%d}"
    tell.tell(
        tell.admins(organization),
        organization,
        key=key,
        subject="Greenhouse is connected",
        words="The first sync has ended. Recruiters see their requisitions now.",
        path="/set-up/live/",
    )
    words = "Set-up is done. The first sync has ended, and recruiters see their requisitions."
    tell.tell(
        tell.success(),
        organization,
        key=key,
        subject=f"{organization}: Greenhouse is connected",
        words=words,
        path=tell.desk_of(organization),
    )
    chat.say(organization, key=key, words=words, path=tell.desk_of(organization))


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
