"""The log of a sync's requests is written together, and complete whatever ends the sync."""

from __future__ import annotations

from collections import Counter
from typing import Any

from django.db import connection as database
from django.test.utils import CaptureQueriesContext

from integrations.greenhouse.sandbox import Sandbox
from portal.connections.models import ApiCall
from portal.sync.engine import run_lifecycle
from portal.sync.models import SyncRun
from tests.api_generations import any_generation
from tests.portal.sync.permission_changes import revoke_permissions
from tests.portal.sync.sync_hooks import run_during_sync


@any_generation
def test_log_has_every_request_of_a_sync(connect, kind: str) -> None:
    connection = connect(kind)
    ApiCall.objects.all().delete()
    run, _ = run_lifecycle.get_or_create_run(connection, by=None)
    with CaptureQueriesContext(database) as queries:
        run_lifecycle.execute_run(run)
    inserts = [q for q in queries if 'INSERT INTO "connections_apicall"' in q["sql"]]
    requests = sum(run.steps.values_list("requests", flat=True))
    assert ApiCall.objects.count() == requests
    assert len(inserts) <= 1 + requests // 4


@any_generation
def test_refused_request_is_logged_with_those_before(connect, sandbox: Sandbox, kind: str) -> None:
    connection = connect(kind)
    ApiCall.objects.all().delete()
    revoke_permissions(sandbox, connection, "harvest:job_interview_stages:list")
    run, _ = run_lifecycle.get_or_create_run(connection, by=None)
    run_lifecycle.execute_run(run)
    logged = Counter(ApiCall.objects.values_list("error", flat=True))
    assert logged["MissingPermission"] >= 1
    assert logged[""] > 1


@any_generation
def test_lost_lease_saves_no_unchanged_page(connect, kind: str) -> None:
    connection = connect(kind)
    run, _ = run_lifecycle.get_or_create_run(connection, by=None)

    def take_over() -> Any:
        return SyncRun.objects.filter(pk=run.pk).update(lease_token="another worker")

    with run_during_sync("/v3/candidates", take_over):
        run_lifecycle.execute_run(run)
    step = run.steps.get(kind="candidates")
    assert (step.pages, step.read_count, step.seen_pages.count()) == (0, 0, 0)
    assert run.steps.get(kind="jobs").status == "done"
    assert ApiCall.objects.filter(path="/v3/candidates").exists()
