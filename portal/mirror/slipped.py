"""How far the mirror was from Greenhouse when everything was read again: the drift.

The nightly sync reads all applications. One whose stage, state or job differs here, though it last
changed before the syncs of the day should have brought it, had slipped through: it is counted by
requisition and stage, and mended by the same page. Deletions are no drift: only a full sync can see
them.
"""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from typing import Any

from integrations.ats.types import Page
from portal.connections.models import Connection
from portal.issues import book
from portal.issues.models import Issue
from portal.mirror.models import Application, Job, SyncRun
from portal.mirror.steps import Step
from portal.mirror.upsert import Written

Before = dict[int, tuple[Any, ...]]
# Changes younger than this before the run began may still have been under way to us.
GRACE = timedelta(hours=1)
MOST_KEPT = 200


def before(sync: SyncRun, definition: Step, connection: Connection, page: Page[Any]) -> Before:
    """What is here of a page's applications, before it is written; {} where nobody asks."""
    if sync.scope != SyncRun.Scope.FULL or definition.model is not Application:
        return {}
    ids = [one.id for one in page.records if _old(sync, one)]
    rows = Application.objects.filter(connection=connection, remote_id__in=ids, gone_at=None)
    told = rows.values_list("remote_id", "status", "stage_remote_id", "job__remote_id")
    return {remote_id: tuple(rest) for remote_id, *rest in told.iterator(2000)}


def _old(sync: SyncRun, one: Any) -> bool:
    times = [time for time in (one.updated_at, one.last_activity_at) if time]
    return bool(times) and sync.started_at is not None and max(times) < sync.started_at - GRACE


def note(
    sync: SyncRun, connection: Connection, page: Page[Any], written: Written, earlier: Before
) -> None:
    """Count what differed, with the page that mends it."""
    changed = {*written.changed}
    slipped: Counter[tuple[int | None, str]] = Counter()
    for one in page.records if earlier else ():
        here = earlier.get(one.id) if one.id in changed else None
        if here is not None and here != (one.status, one.stage_id, one.job_id):
            slipped[(one.job_id, one.stage_name or "")] += 1
    if not slipped:
        return
    rows = Job.objects.filter(connection=connection, remote_id__in=[job for job, _ in slipped])
    pks = dict(rows.values_list("remote_id", "pk"))
    found = [
        {"job": pks.get(job or 0), "stage": stage, "count": count}
        for (job, stage), count in slipped.items()
    ]
    sync.refresh_from_db(fields=["drift"])
    sync.drift = (sync.drift + found)[:MOST_KEPT]
    sync.save(update_fields=["drift"])


def tell(sync: SyncRun) -> None:
    """After a full sync that was complete: say what had slipped through, or that nothing had."""
    if sync.scope != SyncRun.Scope.FULL or sync.status != SyncRun.Status.DONE:
        return
    organization = sync.connection.organization
    total = sum(one["count"] for one in sync.drift)
    if not total:
        book.solved(organization, Issue.Cause.DRIFT, why="a full sync found nothing out of place")
        return
    jobs = len({one["job"] for one in sync.drift})
    book.seen(
        organization,
        Issue.Cause.DRIFT,
        title=f"{total} application(s) had slipped through",
        words=f"The full sync found {total} application(s) on {jobs} requisition(s) in another "
        "stage or state than here, though they had changed long before. They are right now. "
        "If this happens again, web hooks or syncs may be missing something.",
        severity=Issue.Severity.FYI,
        fixer=Issue.Fixer.CSM,
        still_works="Everything. What differed was mended by the same sync.",
        facts={"applications": total, "requisitions": jobs},
    )
