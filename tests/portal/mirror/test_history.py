"""The history of syncs, for admins."""

from __future__ import annotations

from django.db import connection as database
from django.test.utils import CaptureQueriesContext

from integrations.greenhouse.sandbox import Sandbox
from portal.mirror import sync
from portal.mirror.models import SyncRun
from tests.cast import Cast

PAGE = "/set-up/syncs/"


def test_an_admin_sees_what_each_sync_brought_and_when_the_next_one_comes(
    connect, cast: Cast, sign_in
) -> None:
    connect()
    page = sign_in(cast.ada).get(PAGE).content.decode()
    assert "Everything" in page
    assert "Requisitions" in page
    assert "<svg" in page
    assert "What changed," in page


def test_recruiters_and_strangers_do_not_see_it(connect, cast: Cast, sign_in) -> None:
    connect()
    assert sign_in(cast.remy).get(PAGE).status_code == 403
    zoe = sign_in(cast.zoe).get(PAGE).content.decode()
    assert "Nothing has been read yet" in zoe
    assert sign_in(cast.zoe).post(PAGE).status_code == 302
    assert SyncRun.objects.count() == 1


def test_sync_now_reads_what_changed_and_is_shown_while_it_runs(
    connect, cast: Cast, sign_in, work
) -> None:
    connect()
    ada = sign_in(cast.ada)
    ada.post(PAGE)
    ada.post(PAGE)
    assert SyncRun.objects.filter(scope="recent").count() == 1
    page = ada.get(PAGE).content
    assert b'hx-trigger="every 2s"' in page
    part = ada.get(PAGE, headers={"HX-Request": "true"}).content
    assert b"<html" not in part
    work()
    assert b'hx-trigger="every 2s"' not in ada.get(PAGE).content


def test_what_brought_nothing_is_said_in_words(connect, cast: Cast, sign_in, work, later) -> None:
    connect()
    ada = sign_in(cast.ada)
    later(15 * 60)
    ada.post(PAGE)
    work()
    page = ada.get(PAGE).content.decode()
    assert "nothing changed, " in page
    assert "nothing had changed" in page


def test_what_a_failed_sync_did_not_come_to_does_not_seem_to_wait(
    connect, cast: Cast, sign_in, sandbox: Sandbox, work
) -> None:
    connect()
    ada = sign_in(cast.ada)
    sandbox.faults.add("/v3/jobs", kind="html", times=None)
    ada.post(PAGE)
    work()
    line = ada.get(PAGE).context["lines"][0]
    steps = {step.kind: step for _, step in line.steps}
    assert steps["jobs"].requests > 0  # an answer that was of no use was asked for, too
    assert steps["applications"].pill == "not_read"


def test_a_failed_sync_says_why_in_words_and_shows_no_red_while_one_mends_it(
    connect, cast: Cast, sign_in, sandbox: Sandbox, work, quick_retries
) -> None:
    connection = connect()
    ada = sign_in(cast.ada)
    sandbox.faults.add("/v3/jobs", kind="drop_before", times=None)
    ada.post(PAGE)
    work()
    failed = ada.get(PAGE).content.decode()
    assert "The newest sync was not finished" in failed
    assert "not answering" in failed
    sync.open_run(connection, by=None)
    assert "The newest sync was not finished" not in ada.get(PAGE).content.decode()


def test_the_number_of_queries_is_the_same_for_few_and_many_syncs(
    connect, cast: Cast, sign_in
) -> None:
    connection = connect()
    ada = sign_in(cast.ada)

    def queries() -> int:
        with CaptureQueriesContext(database) as seen:
            assert ada.get(PAGE).status_code == 200
        return len(seen)

    queries()
    few = queries()
    for _ in range(30):
        run, _ = sync.open_run(connection, by=None)
        run.steps.update(status="done")
        SyncRun.objects.filter(pk=run.pk).update(status="done")
    assert queries() <= few
