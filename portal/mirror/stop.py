"""Ending the syncs of a connection that is paused or left, or whose credential was changed, whoever
holds them. A worker that holds one finds that it is no longer its own before it writes the next
page.
"""

from __future__ import annotations

from django.db import transaction
from django.utils import timezone

from portal.connections.models import Connection, Credential
from portal.core import transitions
from portal.mirror.models import SeenPage, SyncRun, SyncStep


def stop(connection: Connection, *, why: str = "the connection was paused") -> int:
    """End the open runs; gives back how many.

    The connection's state is written before: a run that is taken later is ended by its own worker.
    """
    ended = 0
    # A worker may take one while this looks: it is looked at again.
    while runs := list(connection.syncs.filter(status__in=SyncRun.OPEN)):
        ended += sum(_end(run, SyncRun.Status.STOPPED, why) for run in runs)
    return ended


def outdated(connection: Connection) -> list[SyncRun]:
    """End the runs that read with another credential than the one in use; gives those ended.

    What they were told may not be gone on from with another one: neither its pages nor its times.
    """
    runs = connection.syncs.filter(status__in=SyncRun.OPEN, credential__isnull=False)
    old = runs.exclude(credential__state=Credential.State.IN_USE)
    why = "another credential is in use"
    return [run for run in old if _end(run, SyncRun.Status.REPLACED, why)]


@transaction.atomic
def _end(run: SyncRun, status: str, why: str) -> bool:
    if not transitions.won(run, status, why=why, holder="", finished_at=timezone.now()):
        return False
    steps = run.steps.filter(status__in=SyncStep.OPEN)
    SeenPage.objects.filter(step__in=steps).delete()
    steps.update(status=SyncStep.Status.STOPPED)
    return True
