"""Deletion of a connection's synced data, when it is disconnected or changes account."""

from __future__ import annotations

from django.apps import apps

from portal.connections.models import Connection
from portal.core import queue
from portal.sync.cancellation import cancel_runs
from portal.sync.models import StageName, SyncedRecord

BATCH_SIZE = 2000


def delete_synced_data(connection: Connection) -> None:
    """Delete all synced records and the runs that read them. Can be repeated; raises RetryLater
    when its turn is over.
    """
    turn = queue.TaskTurn()
    cancel_runs(connection, why="the mirror is being emptied")
    for model in apps.get_app_config("sync").get_models():
        if issubclass(model, SyncedRecord):
            _delete_in_batches(model, connection, turn)
    StageName.objects.filter(connection=connection).delete()
    connection.syncs.all().delete()


def _delete_in_batches(
    model: type[SyncedRecord], connection: Connection, turn: queue.TaskTurn
) -> None:
    rows = model._default_manager.filter(connection=connection)
    while pks := list(rows.values_list("pk", flat=True)[:BATCH_SIZE]):
        model._default_manager.filter(pk__in=pks).delete()
        turn.end_if_over()
