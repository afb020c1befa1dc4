"""What workers do for the mirror. A task gets an id; the row tells the rest."""

from __future__ import annotations

from portal.core.queue import enqueue
from portal.mirror import schedule, single, sync
from portal.mirror.models import SyncRun


def run(sync_id: int) -> None:
    found = SyncRun.objects.select_related("connection").get(pk=sync_id)
    sync.run(found)
    everything = SyncRun.objects.filter(pk=sync_id, scope=SyncRun.Scope.FULL)
    whole = everything.filter(status__in=(SyncRun.Status.DONE, SyncRun.Status.PARTIAL)).exists()
    task = "portal.jobs.tasks.tally_whole" if whole else "portal.jobs.tasks.tally"
    enqueue(task, found.connection_id)


def read_single(wish_id: int) -> None:
    single.read(wish_id)


def sweep() -> None:
    """Take up what was lost on the way: single reads, and runs whose worker fell silent."""
    single.sweep()
    sync.sweep()


def tick() -> None:
    """Ask for what is due by the clock."""
    schedule.tick()
