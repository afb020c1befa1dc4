"""What our staff does for a customer: the customer's own verbs, with a name under each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from django.http import HttpRequest

from portal.accounts.models import User
from portal.audit.record import record
from portal.connections.models import Connection
from portal.onboarding import journey

MAY = "support.help_customer"
State = Connection.State


@dataclass(frozen=True)
class Deed:
    """`question` is what is confirmed; `words` complete "Cas …" in the customer's log."""

    key: str
    label: str
    question: str
    words: str
    said: str
    do: Callable[[Connection, User], object]
    states: frozenset[str]


_READING = frozenset({State.LIVE, State.DEGRADED, State.SYNCING})
_CONNECTED = frozenset(set(State) - {State.DRAFT, State.DISCONNECTED, State.PAUSED})

DEEDS = {
    deed.key: deed
    for deed in (
        Deed(
            "check",
            "Check permissions",
            "Every permission of the credential is tried again, without changing anything in "
            "Greenhouse. It takes about a minute.",
            "asked for a check of all permissions",
            "The permissions are being checked.",
            lambda connection, by: journey.request_check(connection, by=by),
            _CONNECTED,
        ),
        Deed(
            "sync",
            "Sync now",
            "Everything is read from Greenhouse again, behind what people do. A sync that already "
            "runs is joined.",
            "asked for a sync",
            "The sync waits for a worker.",
            lambda connection, by: journey.request_sync(connection, by=by),
            _READING,
        ),
    )
}


def why_not(deed: Deed, connection: Connection | None) -> str:
    """Why this cannot be done for the customer now; "" when it can."""
    if connection is None or connection.credential is None:
        return "No credential was entered yet."
    if connection.state not in deed.states:
        return f"Not while the connection is “{connection.get_state_display()}”."
    return ""


def do(deed: Deed, connection: Connection, *, by: User, request: HttpRequest) -> None:
    """Do it in this person's name; it stands in the customer's log."""
    deed.do(connection, by)
    record(
        f"support.{deed.key}",
        deed.words,
        organization=connection.organization,
        by=by,
        subject=connection,
        request=request,
    )
