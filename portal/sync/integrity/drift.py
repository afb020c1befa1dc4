"""Drift: applications that recent syncs missed, as found and corrected by a full sync.

Deletions don't count, since only a full sync can find them.
"""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from typing import Any

from django.db import connection as database

from integrations.ats.types import Page
from portal.connections.models import Connection
from portal.issues import service
from portal.issues.models import Issue
from portal.sync.engine.upsert import WriteResult, format_array
from portal.sync.models import Application, Job, SyncRun, SyncStep

ApplicationSnapshot = dict[int, tuple[Any, ...]]
# Changes younger than this at the start of the run may not have been synced yet.
IN_TRANSIT_GRACE = timedelta(hours=1)
MAX_ENTRIES = 200
_SNAPSHOT_SQL = f"""
    SELECT application.remote_id, application.status, application.stage_remote_id, job.remote_id
    FROM {Application._meta.db_table} application
    LEFT JOIN {Job._meta.db_table} job ON job.id = application.job_id
    WHERE application.connection_id = %s AND application.gone_at IS NULL
        AND application.remote_id
"""  # noqa: S608  # our own tables
_IN_ARRAY_SQL = {
    "postgresql": " = ANY(%s::bigint[])",
    "sqlite": " IN (SELECT value FROM json_each(%s))",
}


def snapshot_applications(
    sync: SyncRun, step: SyncStep, connection: Connection, page: Page[Any]
) -> ApplicationSnapshot:
    """Return the stored state of a page's applications before it is written; only by full syncs,
    from the second on.
    """
    is_full = sync.scope == SyncRun.Scope.FULL and step.expected is not None
    if not is_full or step.kind != "applications":
        return {}
    ids = [application.id for application in page.records if _is_settled(sync, application)]
    if not ids:
        return {}
    with database.cursor() as cursor:
        statement = f"{_SNAPSHOT_SQL}{_IN_ARRAY_SQL[database.vendor]}"
        cursor.execute(statement, [connection.pk, format_array(ids)])
        return {remote_id: tuple(state) for remote_id, *state in cursor.fetchall()}


def _is_settled(sync: SyncRun, application: Any) -> bool:
    times = [time for time in (application.updated_at, application.last_activity_at) if time]
    return (
        bool(times)
        and sync.started_at is not None
        and max(times) < sync.started_at - IN_TRANSIT_GRACE
    )


def record_drift(
    sync: SyncRun,
    connection: Connection,
    page: Page[Any],
    written: WriteResult,
    snapshot: ApplicationSnapshot,
) -> None:
    changed = {*written.changed}
    drifted: Counter[tuple[int | None, str]] = Counter()
    for application in page.records if snapshot else ():
        stored = snapshot.get(application.id) if application.id in changed else None
        if stored is not None and stored != (
            application.status,
            application.stage_id,
            application.job_id,
        ):
            drifted[(application.job_id, application.stage_name or "")] += 1
    if not drifted:
        return
    rows = Job.objects.filter(connection=connection, remote_id__in=[job for job, _ in drifted])
    pks = dict(rows.values_list("remote_id", "pk"))
    entries = [
        {"job": pks.get(job or 0), "stage": stage, "count": count}
        for (job, stage), count in drifted.items()
    ]
    sync.refresh_from_db(fields=["drift"])
    sync.drift = (sync.drift + entries)[:MAX_ENTRIES]
    sync.save(update_fields=["drift"])


def report_drift(sync: SyncRun) -> None:
    """After a complete full sync, open or resolve the drift issue."""
    if sync.scope != SyncRun.Scope.FULL or sync.status != SyncRun.Status.DONE:
        return
    organization = sync.connection.organization
    total = sum(entry["count"] for entry in sync.drift)
    if not total:
        service.resolve_issues(
            organization, Issue.Cause.DRIFT, why="a full sync found no missed changes"
        )
        return
    jobs = len({entry["job"] for entry in sync.drift})
    service.open_issue(
        organization,
        Issue.Cause.DRIFT,
        title=f"{total} application{'' if total == 1 else 's'} had been out of date",
        description="The full sync corrected changes that earlier syncs had missed, on "
        f"{jobs} requisition{'' if jobs == 1 else 's'}. If this happens again, webhooks or "
        "syncs may be missing changes.",
        severity=Issue.Severity.INFO,
        fixer=Issue.Fixer.CSM,
        still_works="Everything. The sync corrected the data.",
        details={"applications": total, "requisitions": jobs},
    )
