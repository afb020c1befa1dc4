"""What workers do for the list of requisitions."""

from __future__ import annotations

from portal.connections.models import Connection
from portal.jobs import tally as tallying


def tally(connection_id: int) -> None:
    tallying.count(Connection.objects.get(pk=connection_id))


def tally_whole(connection_id: int) -> None:
    """After everything was read."""
    tallying.count(Connection.objects.get(pk=connection_id), whole=True)


def tally_all() -> None:
    """Each minute, for every connection that is kept true."""
    state = Connection.State
    off = (state.DRAFT, state.PAUSED, state.DISCONNECTED)
    for connection in Connection.objects.exclude(state__in=off):
        tallying.count(connection)
