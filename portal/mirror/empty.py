"""Deleting the whole mirror of a connection: when it is disconnected, or another account's."""

from __future__ import annotations

from django.apps import apps

from portal.connections.models import Connection
from portal.mirror.models import Mirrored, StageName
from portal.mirror.stop import stop

BATCH = 2000


def empty(connection: Connection) -> None:
    """Delete every mirrored record, and the runs that read them. May be done again at any time."""
    stop(connection, why="the mirror is being emptied")
    for model in apps.get_app_config("mirror").get_models():
        if issubclass(model, Mirrored):
            _delete_all(model, connection)
    StageName.objects.filter(connection=connection).delete()
    connection.syncs.all().delete()


def _delete_all(model: type[Mirrored], connection: Connection) -> None:
    """In batches: what belongs to the records goes with them."""
    rows = model._default_manager.filter(connection=connection)
    while pks := list(rows.values_list("pk", flat=True)[:BATCH]):
        model._default_manager.filter(pk__in=pks).delete()
