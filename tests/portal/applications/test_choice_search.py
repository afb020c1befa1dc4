"""Long selects: pages stay small, and choices are searched within what the member may see."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection as database
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from integrations.greenhouse.sandbox import Sandbox
from portal.applications.models import ApplicationAction
from portal.sync.models import Application, AtsUser, CustomField, Job, Source
from tests.api_generations import any_generation
from tests.personas import Personas
from tests.portal.applications.action_helpers import (
    HTMX,
    build_action_url,
    build_custom_field_name,
    get_latest_action,
    list_applications,
)
from tests.scriptless_browser import ScriptlessBrowser

pytestmark = any_generation
Status = ApplicationAction.Status
MAX_PAGE_SIZE = 150_000


@pytest.fixture
def remy(personas: Personas, connect, kind: str) -> ScriptlessBrowser:
    connect(kind)
    return ScriptlessBrowser(personas.remy)


@pytest.fixture
def application(remy: ScriptlessBrowser) -> Application:
    return list_applications()[0]


def _add_users(application: Application, count: int) -> None:
    AtsUser.objects.bulk_create(
        AtsUser(
            connection_id=application.connection_id,
            remote_id=10**9 + number,
            name=f"Zed Recruiter {number}",
            search_name=f" zed recruiter {number} ",
        )
        for number in range(count)
    )


def _add_sources(application: Application, count: int) -> None:
    Source.objects.bulk_create(
        Source(connection_id=application.connection_id, remote_id=10**9 + n, name=f"Fair {n}")
        for n in range(count)
    )


def _add_options(key: str, count: int) -> None:
    field = CustomField.objects.get(key=key)
    field.options += [[10**9 + number, f"Choice {number}"] for number in range(count)]
    field.save(update_fields=["options"])


def _search(client: Client, application: Application, field: str, query: str, **more: str) -> Any:
    url = reverse("applications:choices", args=[application.pk])
    data = {"kind": "update", "field": field, f"search-{field}": query, **more}
    return client.get(url, data, **HTMX)


def _count_queries(client: Client, application: Application) -> int:
    with CaptureQueriesContext(database) as queries:
        page = client.get(build_action_url("update", application.pk))
    assert len(page.content) < MAX_PAGE_SIZE
    return len(queries)


def test_update_page_stays_small(remy: ScriptlessBrowser, application: Application) -> None:
    _add_users(application, 60)
    _add_sources(application, 60)
    for key in ("notice_period", "languages"):
        _add_options(key, 60)
    _count_queries(remy.client, application)  # fills caches
    few = _count_queries(remy.client, application)
    _add_options("notice_period", 10_000)
    _add_options("languages", 10_000)
    AtsUser.objects.filter(name__startswith="Zed").delete()
    Source.objects.filter(name__startswith="Fair").delete()
    _add_users(application, 1500)
    _add_sources(application, 1500)
    assert _count_queries(remy.client, application) == few


def test_searched_choices_sent(
    remy: ScriptlessBrowser, sandbox: Sandbox, run_tasks, application: Application
) -> None:
    """Without scripts, a search comes back with its matches and with what was typed."""
    _add_users(application, 100)
    sam = AtsUser.objects.get(primary_email="sam@acme.example")
    remy.open_path(build_action_url("update", application.pk))
    remy.press_button(
        "Search Recruiter",
        **{"search-recruiter": "sam@acme", build_custom_field_name("agency_reference"): "AB-12"},
    )
    assert "1 match. Select one above" in remy.page
    assert "No changes yet" not in remy.page
    remy.press_button("Update .*", recruiter=str(sam.pk))
    run_tasks()
    assert get_latest_action().status == Status.DONE, get_latest_action().outcome
    assert get_latest_action().parameters["recruiter"]["pk"] == sam.pk
    assert get_latest_action().parameters["custom"].keys() == {"agency_reference"}


def test_long_selects_keep_untouched_values(
    remy: ScriptlessBrowser, run_tasks, application: Application
) -> None:
    for key in ("notice_period", "languages"):
        _add_options(key, 100)
    _add_users(application, 100)
    remy.open_path(build_action_url("update", application.pk))
    remy.press_button("Update .*", **{build_custom_field_name("agency_reference"): "AB-12"})
    run_tasks()
    assert get_latest_action().parameters["custom"].keys() == {"agency_reference"}
    assert get_latest_action().parameters.keys() == {"custom"}


def test_many_searched_options_sent(
    remy: ScriptlessBrowser, run_tasks, application: Application
) -> None:
    _add_options("languages", 100)
    name = build_custom_field_name("languages")
    remy.open_path(build_action_url("update", application.pk))
    remy.press_button("Search Languages", **{f"search-{name}": "Choice 77"})
    remy.press_button("Update .*", **{name: [str(10**9 + 77)]})
    assert get_latest_action().parameters["custom"]["languages"]["send"] == [10**9 + 77]


def test_search_finds_active_people_of_customer(
    remy: ScriptlessBrowser, application: Application
) -> None:
    _add_users(application, 100)
    AtsUser.objects.filter(name="Zed Recruiter 42").update(deactivated=True)
    page = _search(remy.client, application, "recruiter", "zed recruiter 4").content.decode()
    assert page.count("data-value") == 18
    assert "Zed Recruiter 42" not in page
    assert 'data-announce="18 matches. Use the arrow keys."' in page


def test_search_limits_results(remy: ScriptlessBrowser, application: Application) -> None:
    _add_options("languages", 10_000)
    page = _search(
        remy.client, application, build_custom_field_name("languages"), "choice"
    ).content.decode()
    assert page.count("data-value") == 20
    assert "More than 20 match" in page
    nothing = _search(remy.client, application, build_custom_field_name("languages"), "<b>")
    assert "No matches for “&lt;b&gt;”" in nothing.content.decode()


def test_transfer_search_hides_unseen_jobs(
    remy: ScriptlessBrowser, application: Application
) -> None:
    assert application.job is not None
    hidden = Job.objects.exclude(grants__user__primary_email="remy@acme.example").filter(
        status="open"
    )
    grant = application.job.grants.get(user__primary_email="remy@acme.example")
    for number in range(60):
        job = Job.objects.create(
            connection_id=application.connection_id,
            remote_id=10**9 + number,
            name=f"Granted {number}",
            search_name=f" granted {number} ",
            status="open",
            confidential=False,
        )
        grant.pk, grant.job, grant.remote_id = None, job, 10**9 + number
        grant._state.adding = True
        grant.save()
    Job.objects.filter(pk=hidden[0].pk).update(name="Granted secretly")
    page = _search(remy.client, application, "to_job", "granted", kind="transfer")
    assert "Granted 1" in page.content.decode()
    assert "Granted secretly" not in page.content.decode()


@pytest.mark.parametrize(
    ("field", "kind_of_form"),
    [("key", "update"), ("none", "update"), ("reason", "reject"), ("recruiter", "\x00")],
)
def test_other_fields_not_searchable(
    remy: ScriptlessBrowser, application: Application, field: str, kind_of_form: str
) -> None:
    response = _search(remy.client, application, field, "a", kind=kind_of_form)
    assert response.status_code in {400, 404}


def test_hidden_application_not_searchable(
    remy: ScriptlessBrowser, application: Application, personas: Personas, sign_in
) -> None:
    _add_users(application, 100)
    response = _search(sign_in(personas.zoe), application, "recruiter", "zed")
    assert response.status_code == 404
