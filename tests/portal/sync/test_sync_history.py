"""The sync history page for admins."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection as database
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from integrations.greenhouse.sandbox import Sandbox
from portal.connections.models import Connection
from portal.sync.engine import run_lifecycle
from portal.sync.models import Job, SyncRun, SyncStep
from tests.personas import Personas

PAGE = "/setup/syncs/"


def test_admin_sees_results_and_next_sync(connect, personas: Personas, sign_in) -> None:
    connect()
    asked_at = timezone.now().replace(microsecond=0)
    response = sign_in(personas.ada).get(PAGE)
    page = response.content.decode()
    assert "Everything" in page
    assert "Requisitions" in page
    assert "<svg" in page
    [line] = response.context["rows"]
    steps = SyncStep.objects.values_list("created", "changed", "gone")
    assert line.changes == sum(map(sum, steps)) > 0
    assert dict(line.steps)["Requisitions"].created == Job.objects.count()
    next_at = response.context["next_at"]
    assert timedelta(0) <= next_at - asked_at < timedelta(hours=1)
    next_sync = f'{response.context["next_scope"]}, <time datetime="{next_at.isoformat()}"'
    assert next_sync in " ".join(page.split())


def test_recruiters_and_other_customers_see_no_history(
    connect, personas: Personas, sign_in
) -> None:
    connect()
    assert sign_in(personas.remy).get(PAGE).status_code == 403
    zoe_page = sign_in(personas.zoe).get(PAGE).content.decode()
    assert "No syncs yet" in zoe_page
    assert sign_in(personas.zoe).post(PAGE).status_code == 302
    assert SyncRun.objects.count() == 1


def test_sync_now_queues_one_run_and_polls(connect, personas: Personas, sign_in, run_tasks) -> None:
    connect()
    ada = sign_in(personas.ada)
    ada.post(PAGE)
    ada.post(PAGE)
    assert SyncRun.objects.filter(scope="recent").count() == 1
    page = ada.get(PAGE).content
    assert b'hx-trigger="every 2s"' in page
    partial = ada.get(PAGE, headers={"HX-Request": "true"}).content
    assert b"<html" not in partial
    run_tasks()
    assert b'hx-trigger="every 2s"' not in ada.get(PAGE).content


def test_sync_without_changes_says_so(
    connect, personas: Personas, sign_in, run_tasks, advance_clock
) -> None:
    connect()
    ada = sign_in(personas.ada)
    advance_clock(15 * 60)
    ada.post(PAGE)
    run_tasks()
    page = ada.get(PAGE).content.decode()
    assert "no changes, " in page
    assert "no changes" in page


def test_failed_sync_marks_later_steps_not_read(
    connect, personas: Personas, sign_in, sandbox: Sandbox, run_tasks
) -> None:
    connect()
    ada = sign_in(personas.ada)
    sandbox.faults.add_fault("/v3/jobs", kind="html", times=None)
    ada.post(PAGE)
    run_tasks()
    line = ada.get(PAGE).context["rows"][0]
    steps = {step.kind: step for _, step in line.steps}
    assert steps["jobs"].requests > 0  # a useless answer counts as a request, too
    assert steps["applications"].pill == "not_read"


def test_failed_sync_banner_hidden_while_retrying(
    connect, personas: Personas, sign_in, sandbox: Sandbox, run_tasks, quick_retries
) -> None:
    connection = connect()
    ada = sign_in(personas.ada)
    sandbox.faults.add_fault("/v3/jobs", kind="drop_before", times=None)
    ada.post(PAGE)
    run_tasks()
    failed = ada.get(PAGE).content.decode()
    assert "The last sync failed" in failed
    assert "reach Greenhouse" in failed
    run_lifecycle.get_or_create_run(connection, by=None)
    assert "The last sync failed" not in ada.get(PAGE).content.decode()


def test_history_query_count_is_constant(connect, personas: Personas, sign_in) -> None:
    connection = connect()
    ada = sign_in(personas.ada)

    def count_queries() -> int:
        with CaptureQueriesContext(database) as captured:
            assert ada.get(PAGE).status_code == 200
        return len(captured)

    count_queries()
    count_for_one_sync = count_queries()
    for _ in range(30):
        run, _ = run_lifecycle.get_or_create_run(connection, by=None)
        run.steps.update(status="done")
        SyncRun.objects.filter(pk=run.pk).update(status="done")
    assert count_queries() <= count_for_one_sync


@pytest.mark.parametrize(
    ("state", "sentence"),
    [
        ("checking", "Permissions are being checked. Try again once that has ended."),
        ("syncing", "The first sync is still running."),
        ("paused", "The connection is paused. Nothing syncs until you resume."),
        ("disconnected", "Syncs start once Greenhouse is connected."),
    ],
)
def test_sync_now_says_why_nothing_is_synced(
    state: str, sentence: str, connect, personas: Personas, sign_in
) -> None:
    Connection.objects.filter(pk=connect().pk).update(state=state)
    page = sign_in(personas.ada).post(PAGE, follow=True).content.decode()
    assert sentence in page
    assert not SyncRun.objects.filter(scope="recent").exists()
