"""Queue tasks of the sync."""

from __future__ import annotations

from portal.core.tenancy.scope import all_organizations
from portal.sync import schedule
from portal.sync.engine import run_lifecycle, run_recovery
from portal.sync.models import SyncRun
from portal.sync.records import refresh_worker
from portal.sync.service_level import burn_rate_alerts, recorder


def run_sync(sync_id: int) -> None:
    sync_run = SyncRun.objects.select_related("connection").get(pk=sync_id)
    run_lifecycle.execute_run(sync_run)
    full_runs = SyncRun.objects.filter(pk=sync_id, scope=SyncRun.Scope.FULL)
    is_complete = full_runs.filter(status__in=SyncRun.COMPLETED).exists()
    run_lifecycle.data_synced.run(sync_run.connection_id, is_complete)


def refresh_record(request_id: int) -> None:
    refresh_worker.run_refresh_request(request_id)


@all_organizations("sweeps all customers")
def recover_stalled_work() -> None:
    refresh_worker.requeue_stalled_requests()
    run_recovery.recover_stalled_runs()


@all_organizations("syncs every connection that is due")
def request_due_syncs() -> None:
    schedule.request_due_syncs()


def request_due_sync(connection_id: int) -> None:
    schedule.request_due_sync(connection_id)


@all_organizations("measures every customer")
def record_freshness() -> None:
    recorder.record_minutes()
    burn_rate_alerts.update_issues()


SCHEDULES = {  # minutes
    request_due_syncs: 1,
    recover_stalled_work: 1,
    record_freshness: 1,
}
