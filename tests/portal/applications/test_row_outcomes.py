"""A row tells each person what became of their own click."""

from __future__ import annotations

import re

import pytest
from django.db import connection
from django.test import Client
from django.urls import reverse

from portal.applications.models import ApplicationAction
from portal.connections.models import Connection
from tests.api_generations import any_generation
from tests.personas import Personas
from tests.portal.applications.action_helpers import (
    HTMX,
    build_action_url,
    build_form_values,
    fetch_row,
    find_application,
    get_latest_action,
    submit_action,
)

Status = ApplicationAction.Status
CHANGED = "this application changed since you opened it"


@pytest.fixture
def remy(personas: Personas, connect, sign_in, kind: str) -> Client:
    connect(kind)
    return sign_in(personas.remy)


@pytest.fixture
def sam(remy: Client, personas: Personas, sign_in) -> Client:
    return sign_in(personas.sam)


@any_generation
def test_conflict_of_another_keeps_own_undo(
    remy: Client, sam: Client, personas: Personas, run_tasks
) -> None:
    application = find_application()
    submit_action(sam, "advance", application)
    run_tasks()
    advance = get_latest_action()
    submit_action(remy, "advance", application)  # from the page as it was
    run_tasks()
    conflict = get_latest_action()
    assert conflict.status == Status.CONFLICT
    row_of_sam = fetch_row(sam, application)
    assert "Advanced to" in row_of_sam
    assert build_action_url("undo_action", advance.pk) in row_of_sam
    assert CHANGED not in row_of_sam
    row_of_remy = fetch_row(remy, application)
    assert CHANGED in row_of_remy
    assert f"{personas.sam.user}: Advanced to" in row_of_remy
    remy.post(build_action_url("dismiss_action", conflict.pk), **HTMX)
    row_of_remy = fetch_row(remy, application)
    assert CHANGED not in row_of_remy
    assert f"{personas.sam.user}," in row_of_remy


@any_generation
def test_own_conflict_names_reader_as_you(remy: Client, personas: Personas, run_tasks) -> None:
    application = find_application()
    for _ in range(2):  # in two tabs
        submit_action(remy, "advance", application)
        run_tasks()
    row = fetch_row(remy, application)
    assert "You: Advanced to" in row
    assert str(personas.remy.user) not in row
    remy.post(build_action_url("dismiss_action", get_latest_action().pk), **HTMX)
    first = ApplicationAction.objects.last()
    assert build_action_url("undo_action", first.pk) in fetch_row(remy, application)


@any_generation
@pytest.mark.parametrize("status", [Status.QUEUED, Status.SENDING, Status.UNKNOWN])
def test_open_action_shown_as_its_authors(
    remy: Client, sam: Client, personas: Personas, status: str
) -> None:
    application = find_application()
    submit_action(sam, "advance", application)
    ApplicationAction.objects.update(status=status)
    assert f"Advancing, by {personas.sam.user}" in " ".join(
        fetch_row(remy, application).replace("<strong>", "").replace("</strong>", "").split()
    )
    assert str(personas.sam.user) not in fetch_row(sam, application)


def _read_stage_counts(html: str) -> dict[str, int]:
    counts = re.findall(r"<b>([\d,]+)</b>([^<]+)</a>", html)
    return {stage: int(count.replace(",", "")) for count, stage in counts}


@any_generation
def test_stage_counts_follow_click(remy: Client, run_tasks) -> None:
    application = find_application()
    job_url = reverse("applications:job_detail", args=[application.job_id])
    page = {"HTTP_HX_CURRENT_URL": f"http://testserver{job_url}?status=active", **HTMX}
    row_url = build_action_url("row", application.pk)
    before = _read_stage_counts(remy.get(job_url).content.decode())
    response = remy.post(
        build_action_url("advance", application.pk), build_form_values(application), **page
    )
    assert 'id="pipeline"' not in response.content.decode(), "nothing has changed yet"
    run_tasks()
    row = remy.get(row_url, **page).content.decode()
    assert 'id="pipeline"' in row
    assert "hx-swap-oob" in row
    counts = _read_stage_counts(row)
    assert '<span class="answer-line" id="answer-line" hx-swap-oob="true">' in row
    assert counts == _read_stage_counts(remy.get(job_url).content.decode())
    assert counts[application.stage_name] == before[application.stage_name] - 1
    elsewhere = remy.get(row_url, **{**page, "HTTP_HX_CURRENT_URL": "http://testserver/activity/"})
    assert 'id="pipeline"' not in elsewhere.content.decode()


@pytest.mark.parametrize("path", ["row", "applicant"])
@any_generation
def test_action_settled_between_two_reads_can_be_undone(remy: Client, run_tasks, path: str) -> None:
    """The page reads the application, then the worker is done, then the page reads the action."""
    application = find_application()
    submit_action(remy, "advance", application)
    reads_action = 'FROM "applications_applicationaction"'
    settled: list[bool] = []

    def settle_first(execute, sql, params, many, context):
        if reads_action in sql and not settled:
            settled.append(True)
            run_tasks()
        return execute(sql, params, many, context)

    with connection.execute_wrapper(settle_first):
        page = remy.get(build_action_url(path, application.pk), **HTMX).content.decode()
    assert settled
    assert "Advanced to" in page
    assert re.search(r"Undo\b", page)


@any_generation
def test_nothing_is_sent_while_the_credential_fails(remy: Client, run_tasks) -> None:
    application = find_application()
    Connection.objects.update(state=Connection.State.ACTION_NEEDED)
    response = submit_action(remy, "advance", application)
    run_tasks()
    assert not ApplicationAction.objects.exists()
    assert "Advancing" not in response.content.decode()
