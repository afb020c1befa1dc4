"""Stage history and résumés while Greenhouse is slow, asks to wait or has nothing."""

from __future__ import annotations

import pytest
from django.test import Client

from integrations.greenhouse.sandbox import Sandbox
from portal.connections import client
from portal.connections.models import ApiCall
from portal.sync.models import Application, Candidate
from tests.api_generations import any_generation
from tests.personas import Personas
from tests.portal.applications.action_helpers import (
    HTMX,
    build_action_url,
    find_application,
    list_applications,
)

SLOW = "Greenhouse is slow right now. Still trying."
READS = pytest.mark.parametrize("name", ["stage_history", "resume"])


@pytest.fixture
def remy(personas: Personas, connect, sign_in, kind: str) -> Client:
    connect(kind)
    return sign_in(personas.remy)


@pytest.fixture
def slow_greenhouse(sandbox: Sandbox, settings) -> None:
    settings.WEB_DEADLINE_SECONDS = 0.2
    sandbox.faults.add_fault(latency_ms=1500, times=None)


@any_generation
@READS
def test_slow_read_says_so_and_asks_again(
    remy: Client, sandbox: Sandbox, slow_greenhouse: None, name: str
) -> None:
    url = build_action_url(name, find_application().pk)
    partial = remy.get(f"{url}?as_of=1", **HTMX)
    assert ApiCall.objects.first().milliseconds < 1500  # given up before Greenhouse answered
    content = partial.content.decode()
    assert SLOW in content
    assert f'hx-get="{url}?as_of=1" hx-trigger="load delay:' in content
    assert partial["Cache-Control"] == "no-store"
    whole_page = remy.get(url).content.decode()
    assert "<html" in whole_page
    assert SLOW in whole_page
    assert f'<a href="{url}">Try again</a>' in whole_page


@any_generation
@READS
def test_wait_for_a_turn_counts(
    remy: Client, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    sandbox.faults.add_fault(latency_ms=1500, times=None)
    monkeypatch.setattr(client, "get_seconds_since_arrival", lambda: 2.0)
    assert SLOW in remy.get(build_action_url(name, find_application().pk)).content.decode()
    assert ApiCall.objects.first().milliseconds < 1500


@any_generation
def test_history_appears_once_greenhouse_answers(
    remy: Client, sandbox: Sandbox, slow_greenhouse: None, settings, advance_clock
) -> None:
    url = build_action_url("stage_history", find_application().pk)
    assert SLOW in remy.get(url, **HTMX).content.decode()
    sandbox.faults.clear_faults()
    settings.WEB_DEADLINE_SECONDS = 3.0
    advance_clock(60)
    assert "step-trail" in remy.get(url, **HTMX).content.decode()


@any_generation
def test_resume_appears_once_greenhouse_answers(
    remy: Client, sandbox: Sandbox, slow_greenhouse: None, settings, advance_clock
) -> None:
    url = build_action_url("resume", _find_with_resume(sandbox).pk)
    assert SLOW in remy.get(url).content.decode()
    sandbox.faults.clear_faults()
    settings.WEB_DEADLINE_SECONDS = 3.0
    advance_clock(60)
    assert "resume-views" in remy.get(url, **HTMX).content.decode()


@any_generation
@READS
def test_rate_limit_is_not_waited_for(remy: Client, sandbox: Sandbox, name: str) -> None:
    sandbox.faults.add_fault("/v3/", status=429, retry_after=60, times=None)
    content = remy.get(build_action_url(name, find_application().pk), **HTMX).content.decode()
    assert SLOW in content
    assert 'hx-trigger="load delay:15s"' in content


@any_generation
@READS
def test_repeated_read_costs_no_query(
    remy: Client, sandbox: Sandbox, django_assert_num_queries, advance_clock, name: str
) -> None:
    first, second = (build_action_url(name, a.pk) for a in list_applications()[:2])
    sandbox.faults.add_fault(status=429, retry_after=60, times=None)
    asked = remy.get(first, **HTMX)
    with django_assert_num_queries(0):
        repeated = remy.get(second, **HTMX)
    assert repeated.wsgi_request.resolver_match.view_name == f"applications:{name}"  # in the log
    assert SLOW in repeated.content.decode()
    assert f'hx-get="{second}" hx-trigger="load delay:' in repeated.content.decode()
    for header in ("Cache-Control", "Content-Security-Policy", "X-Frame-Options"):
        assert repeated[header] == asked[header]
    sandbox.faults.clear_faults()
    advance_clock(120)
    assert SLOW not in remy.get(second, **HTMX).content.decode()


@any_generation
def test_only_repeated_reads_of_same_person_are_answered(
    remy: Client, sandbox: Sandbox, personas: Personas, sign_in
) -> None:
    sandbox.faults.add_fault(status=429, retry_after=60, times=None)
    application = find_application()
    urls = [build_action_url(name, application.pk) for name in ("stage_history", "resume")]
    assert SLOW in remy.get(urls[0], **HTMX).content.decode()
    row = remy.get(build_action_url("row", application.pk), **HTMX)
    assert SLOW not in row.content.decode()
    assert row.status_code == 200
    assert "<html" in remy.get(urls[1]).content.decode()
    assert sign_in(personas.zoe).get(urls[1], **HTMX).status_code == 404
    assert Client().get(urls[1], **HTMX).status_code != 200


@any_generation
def test_missing_resume_is_not_asked_for_again(remy: Client, sandbox: Sandbox) -> None:
    owners = {row.candidate_id for row in sandbox.dataset().attachments}
    application = next(a for a in list_applications() if a.candidate.remote_id not in owners)
    page = remy.get(build_action_url("resume", application.pk)).content.decode()
    assert "No résumé in Greenhouse." in page
    assert "hx-trigger" not in page.partition("card-body")[2].partition("<footer")[0]


def _find_with_resume(sandbox: Sandbox) -> Application:
    owners = {row.candidate_id for row in sandbox.dataset().attachments if row.type == "resume"}
    candidates = Candidate.objects.filter(remote_id__in=owners, private=False)
    return Application.objects.filter(
        candidate__in=candidates,
        job__status="open",
        job__grants__user__primary_email="remy@acme.example",
    )[0]
