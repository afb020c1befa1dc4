"""What workers do for set-up, and the minute sweep that finds what was lost on the way."""

from __future__ import annotations

from portal.connections import drift, verify
from portal.connections.models import CheckRun, Connection
from portal.core import queue
from portal.mirror import empty as mirror
from portal.onboarding import journey
from portal.webhooks import address as web_hooks


def check(check_id: int) -> None:
    """Check all permissions, then decide how the connection goes on."""
    run = CheckRun.objects.select_related("connection", "credential", "requested_by").get(
        pk=check_id
    )
    if verify.run(run):
        journey.checked(run)


def sweep() -> None:
    """End silent checks, and ask again for what was lost on the way to a worker."""
    for run in verify.sweep():
        journey.checked(run)
    for pk in verify.lost():
        queue.enqueue(journey.CHECK, pk)
    for connection in Connection.objects.filter(emptying=True):
        queue.enqueue(journey.EMPTY, connection.pk)


def empty(connection_id: int) -> None:
    """Delete the mirror of a connection that ended. Doing it twice does no harm."""
    connection = Connection.objects.get(pk=connection_id)
    if connection.emptying:
        web_hooks.forget(connection)
        mirror.empty(connection)
        journey.emptied(connection)


def check_daily() -> None:
    """Look for drift: each connection once a day, at its own hour."""
    for connection in drift.due():
        drift.look(connection)
