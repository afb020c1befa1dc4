from __future__ import annotations

from portal.connections.models import CheckRun, Connection
from portal.connections.permissions import check_runs, monitor
from portal.core import queue
from portal.onboarding import setup_flow
from portal.sync import purge
from portal.webhooks import endpoint


def check_permissions(check_id: int) -> None:
    run = CheckRun.objects.select_related("connection", "credential", "requested_by").get(
        pk=check_id
    )
    if check_runs.execute_run(run):
        setup_flow.handle_check_result(run)


def recover_lost_tasks() -> None:
    """Fail checks whose worker died, and requeue tasks that were lost."""
    for run in check_runs.fail_silent_runs():
        setup_flow.handle_check_result(run)
    for pk in check_runs.list_unstarted_runs():
        queue.enqueue_task(setup_flow.CHECK_TASK, pk)
    for connection in Connection.objects.filter(data_deletion_pending=True):
        queue.enqueue_task(setup_flow.DELETE_DATA_TASK, connection.pk)


def delete_synced_data(connection_id: int) -> None:
    """Idempotent: does nothing once the data is deleted."""
    connection = Connection.objects.get(pk=connection_id)
    if connection.data_deletion_pending:
        endpoint.delete_endpoint(connection)
        purge.delete_synced_data(connection)
        setup_flow.handle_data_deleted(connection)


def check_due_connections() -> None:
    for connection in monitor.list_due_connections():
        monitor.request_check(connection)
