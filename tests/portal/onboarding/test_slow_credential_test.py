"""A credential whose test takes longer than a request may: a worker goes on with it."""

from __future__ import annotations

import pytest
from django.db import connection as database
from django.test import Client

from integrations.greenhouse import sandbox as greenhouse
from integrations.greenhouse.sandbox import Sandbox
from portal.accounts.models import Membership
from portal.audit.models import Entry
from portal.connections.models import ApiCall, Connection, Credential, CredentialTest
from portal.onboarding import tasks
from tests.conftest import V1, V3
from tests.personas import Personas
from tests.portal.applications.action_helpers import HTMX

URL = "/setup/credential/"
SLOW = "Greenhouse is slow right now. Still trying."
WRONG = {**V3, "client_secret": "typed-but-wrong-4711-typed-but-wrong"}
OTHER = {
    **V3,
    "client_id": greenhouse.OTHER_V3_CLIENT_ID,
    "client_secret": greenhouse.OTHER_V3_CLIENT_SECRET,
}


@pytest.fixture
def ada(personas: Personas, sandbox: Sandbox, sign_in, run_tasks, settings) -> Client:
    settings.CREDENTIAL_TEST_DEADLINE_SECONDS = 0.3
    return sign_in(personas.ada)


def _slow_down(sandbox: Sandbox) -> None:
    sandbox.faults.add_fault(latency_ms=800, times=None)


def _post_slowly(ada: Client, sandbox: Sandbox, values: dict[str, str]) -> str:
    """Post while Greenhouse is slow; the page that shows the test."""
    _slow_down(sandbox)
    response = ada.post(URL, values)
    assert response.status_code == 302, response.content.decode()
    assert response.url.startswith(f"{URL}test/")
    sandbox.faults.clear_faults()
    return response.url


def test_slow_test_continues_and_saves(ada: Client, sandbox: Sandbox, run_tasks) -> None:
    url = _post_slowly(ada, sandbox, V3)
    call = ApiCall.objects.get()
    assert call.status is None  # given up before Greenhouse answered
    assert call.milliseconds < 800
    page = ada.get(url).content.decode()
    assert SLOW in page
    assert V3["client_secret"] not in page
    assert "Show the result" in page
    run_tasks()
    assert ada.get(url, **HTMX)["HX-Redirect"] == "/setup/permissions/"
    assert ada.get(url).url == "/setup/permissions/"
    assert Connection.objects.get().credential.get_secrets()["client_secret"] == V3["client_secret"]
    entry = Entry.objects.get(verb="credential.entered")
    assert (entry.ip_address, entry.by.email) == ("127.0.0.1", "ada@acme.example")
    assert "ending in" in entry.description
    assert Connection.objects.get().last_check is not None
    assert CredentialTest.objects.get().secrets == ""


def test_waiting_credential_is_encrypted(ada: Client, sandbox: Sandbox) -> None:
    _post_slowly(ada, sandbox, V3)
    with database.cursor() as cursor:
        cursor.execute("SELECT * FROM connections_credentialtest")
        stored = str(cursor.fetchall())
    assert V3["client_secret"] not in stored
    assert V3["client_id"] not in stored


def test_refused_test_shown_and_erased(ada: Client, sandbox: Sandbox, run_tasks) -> None:
    url = _post_slowly(ada, sandbox, WRONG)
    run_tasks()
    page = ada.get(url)
    assert page.status_code == 422
    assert "doesn&#x27;t accept this client ID and secret" in page.content.decode()
    assert "Paste the credential again" in page.content.decode()
    assert CredentialTest.objects.get().secrets == ""
    message = ada.get(url, **HTMX).content.decode()
    assert "doesn&#x27;t accept this client ID and secret" in message
    assert "<form" not in message  # so the fields keep what was typed
    assert not Credential.objects.exists()


def test_htmx_swaps_only_the_message(ada: Client, sandbox: Sandbox) -> None:
    refused = ada.post(URL, WRONG, **HTMX)
    assert refused.status_code == 422
    content = refused.content.decode()
    assert "<form" not in content
    assert 'id="id_client_secret_message" hx-swap-oob="true">' in content
    assert WRONG["client_secret"] not in content
    _slow_down(sandbox)
    waiting = ada.post(URL, V3, **HTMX).content.decode()
    assert SLOW in waiting
    assert "<form" not in waiting
    assert 'hx-trigger="every 1s"' in waiting
    sandbox.faults.clear_faults()
    assert ada.post(URL, V3, **HTMX)["HX-Redirect"] == "/setup/permissions/"


def test_htmx_replaces_form_for_other_kind(ada: Client) -> None:
    values = {**V3, "client_secret": V1["api_key"], "use_anyway": "yes"}
    response = ada.post(URL, values, **HTMX)
    assert response["HX-Retarget"] == "#credential-entry"
    assert 'name="api_key"' in response.content.decode()
    assert V1["api_key"] not in response.content.decode()


def test_disconnecting_ends_the_test(ada: Client, sandbox: Sandbox, connect, run_tasks) -> None:
    connection = connect()
    url = _post_slowly(ada, sandbox, V1)
    ada.post("/setup/disconnect/", {"name": "Acme"})
    run_tasks()
    assert not connection.credentials.exclude(state="deleted").exists()
    assert ada.get(url).url == URL
    assert "The credential wasn&#x27;t saved" in ada.get(URL).content.decode()


def test_credential_saved_meanwhile_wins(ada: Client, sandbox: Sandbox, run_tasks) -> None:
    url = _post_slowly(ada, sandbox, V1)
    assert ada.post(URL, V3).url == "/setup/permissions/"
    run_tasks()
    assert Connection.objects.get().credential.kind == "harvest_oauth"
    assert ada.get(url).url == URL


def test_new_entry_replaces_waiting_test(ada: Client, sandbox: Sandbox, run_tasks) -> None:
    first = _post_slowly(ada, sandbox, V1)
    _post_slowly(ada, sandbox, V3)
    run_tasks()
    assert Connection.objects.get().credential.kind == "harvest_oauth"
    assert ada.get(first).url == URL


def test_demoted_admin_saves_nothing(
    ada: Client, sandbox: Sandbox, personas: Personas, run_tasks
) -> None:
    _post_slowly(ada, sandbox, V3)
    Membership.objects.filter(pk=personas.ada.pk).update(role=Membership.Role.RECRUITER)
    run_tasks()
    assert not Credential.objects.exists()
    assert not CredentialTest.objects.exists()


def test_other_account_asked_for_after_slow_test(
    ada: Client, sandbox: Sandbox, connect, run_tasks
) -> None:
    connection = connect()
    url = _post_slowly(ada, sandbox, OTHER)
    run_tasks()
    assert "type Acme and test again" in ada.get(url).content.decode()
    confirmed = _post_slowly(ada, sandbox, {**OTHER, "another_account": "Acme"})
    run_tasks()
    assert ada.get(confirmed).url == "/setup/permissions/"
    assert connection.credential.get_secrets()["client_id"] == OTHER["client_id"]


def test_tested_credential_rotates(ada: Client, sandbox: Sandbox, connect, run_tasks) -> None:
    connection = connect("harvest_key")
    url = _post_slowly(ada, sandbox, V3)
    run_tasks()
    assert ada.get(url).url == "/setup/rotation/"
    states = connection.credentials.values_list("state", flat=True)
    assert sorted(states) == ["in_use", "pending"]


def test_other_people_do_not_see_the_test(
    ada: Client, sandbox: Sandbox, personas: Personas, sign_in
) -> None:
    url = _post_slowly(ada, sandbox, V3)
    zoe = sign_in(personas.zoe)
    assert zoe.get(url).url == URL
    Membership.objects.filter(pk=personas.sam.pk).update(role=Membership.Role.ADMIN)
    assert sign_in(personas.sam).get(url).url == URL
    assert sign_in(personas.remy).get(url).status_code == 403


def test_test_ends_after_ten_minutes(
    ada: Client, sandbox: Sandbox, advance_clock, run_tasks
) -> None:
    url = _post_slowly(ada, sandbox, V3)
    advance_clock(601)
    assert ada.get(url).url == URL
    tasks.clean_up_entered_secrets()
    assert not CredentialTest.objects.exists()
    run_tasks()
    assert not Credential.objects.exists()


def test_killed_worker_leaves_test_to_the_next(
    ada: Client, sandbox: Sandbox, advance_clock, run_tasks
) -> None:
    url = _post_slowly(ada, sandbox, V3)
    CredentialTest.objects.update(status=CredentialTest.Status.TESTING)
    run_tasks()
    assert SLOW in ada.get(url).content.decode()
    advance_clock(130)
    tasks.clean_up_entered_secrets()
    run_tasks()
    assert ada.get(url).url == "/setup/permissions/"


def test_outage_ends_test_at_once(ada: Client, sandbox: Sandbox, settings, run_tasks) -> None:
    settings.INTERACTIVE_DEADLINE_SECONDS = 0.2
    url = _post_slowly(ada, sandbox, V3)
    sandbox.faults.add_fault(status=503, times=None)
    run_tasks()
    assert CredentialTest.objects.get().secrets == ""
    page = ada.get(url).content.decode()
    assert "Couldn&#x27;t reach Greenhouse" in page
    assert page.count("Nothing was saved") == 1
