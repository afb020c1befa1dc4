from __future__ import annotations

from portal.connections.models import Connection
from portal.core import queue
from portal.core.tenancy.scope import all_organizations
from portal.jobs.job_list import stage_counts


def update_counts(connection_id: int) -> None:
    stage_counts.update_counts(Connection.objects.get(pk=connection_id))


def recount_connection(connection_id: int) -> None:
    stage_counts.update_counts(Connection.objects.get(pk=connection_id), whole=True)


@all_organizations("counts every customer whose data changed")
def update_all_counts() -> None:
    turn = queue.TaskTurn()
    for connection in stage_counts.list_changed_connections():
        stage_counts.update_counts(connection)
        turn.end_if_over()


SCHEDULES = {update_all_counts: 1}  # minutes
