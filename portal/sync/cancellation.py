"""Cancel syncs of a connection; a worker of a canceled run stops before it writes the next page."""

from __future__ import annotations

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from portal.connections.models import Connection, Credential
from portal.core import transitions
from portal.core.database.compiled_queries import compile_once
from portal.sync.models import SeenPage, SyncRun, SyncStep


def cancel_runs(connection: Connection, *, why: str = "the connection was paused") -> int:
    """Cancel the open runs, and return how many. Write the connection's state before calling."""
    canceled = 0
    # Repeated, since a worker may claim a run in between.
    while runs := list(connection.syncs.filter(status__in=SyncRun.OPEN)):
        canceled += sum(_end_run(run, SyncRun.Status.STOPPED, why) for run in runs)
    return canceled


def cancel_outdated_runs(connection: Connection) -> list[SyncRun]:
    """Cancel and return runs of a replaced credential: another may not use their cursors."""
    outdated = _list_outdated_runs(connection.pk)
    why = "another credential is in use"
    return [run for run in outdated if _end_run(run, SyncRun.Status.REPLACED, why)]


@compile_once
def _list_outdated_runs(connection_id: int) -> QuerySet[SyncRun]:
    runs = SyncRun.objects.filter(connection=connection_id, status__in=SyncRun.OPEN)
    return runs.filter(credential__isnull=False).exclude(credential__state=Credential.State.IN_USE)


@transaction.atomic
def _end_run(run: SyncRun, status: str, why: str) -> bool:
    if not transitions.try_move(run, status, why=why, lease_token="", finished_at=timezone.now()):
        return False
    steps = run.steps.filter(status__in=SyncStep.OPEN)
    SeenPage.objects.filter(step__in=steps).delete()
    steps.update(status=SyncStep.Status.STOPPED)
    return True
