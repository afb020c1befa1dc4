"""Ending the syncs of a connection that is paused or left, whoever holds them."""

from __future__ import annotations

from django.db import transaction
from django.utils import timezone

from portal.connections.models import Connection
from portal.core import transitions
from portal.mirror.models import SeenPage, SyncRun, SyncStep


def stop(connection: Connection, *, why: str = "the connection was paused") -> int:
    """End the open runs; gives back how many.

    A worker that holds one finds that it is no longer its own before it writes the next page. The
    connection's state is written before: a run that is taken later is ended by its own worker.
    """
    ended = 0
    # A worker may take one while this looks: it is looked at again.
    while runs := list(connection.syncs.filter(status__in=SyncRun.OPEN)):
        ended += sum(_end(run, why) for run in runs)
    return ended


@transaction.atomic
def _end(run: SyncRun, why: str) -> bool:
    if not transitions.won(
        run, SyncRun.Status.STOPPED, why=why, holder="", finished_at=timezone.now()
    ):
        return False
    steps = run.steps.filter(status__in=(SyncStep.Status.WAITING, SyncStep.Status.RUNNING))
    SeenPage.objects.filter(step__in=steps).delete()
    steps.update(status=SyncStep.Status.STOPPED)
    return True
