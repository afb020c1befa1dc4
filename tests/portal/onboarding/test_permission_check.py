"""Permission checks: each permission is tested without changing anything in Greenhouse."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from integrations.greenhouse.permission_catalogue import CATALOGUE
from integrations.greenhouse.sandbox import Sandbox
from portal.connections import tasks
from portal.connections.models import CheckRun, Connection
from portal.onboarding import setup_flow
from portal.sync.models import SyncRun
from tests.api_generations import any_generation
from tests.conftest import FULL_CREDENTIALS, each_refusal
from tests.personas import Personas
from tests.queue import run_next_task

PAGE = "/setup/permissions/"
PARTIAL = {"HTTP_HX_REQUEST": "true"}


def _outcomes(connection: Connection) -> dict[str, str]:
    return dict(connection.checks.first().results.values_list("permission", "outcome"))


def test_full_grant_makes_connection_live(connect, kind: str) -> None:
    connection = connect(kind)
    outcomes = _outcomes(connection)
    assert set(outcomes) == {p.key for p in CATALOGUE.list_permissions(kind)}
    assert set(outcomes.values()) == {"granted"}
    assert connection.state == Connection.State.LIVE


@pytest.mark.parametrize(
    "missing",
    ["applications.reject", "rejection_reasons.list", "job_posts.list", "candidates.list"],
)
def test_missing_permission_named_with_effect(
    connect, personas: Personas, sign_in, kind: str, missing: str
) -> None:
    connection = connect(kind, without={missing})
    catalogue = CATALOGUE
    permission = catalogue.get(missing, kind)
    page = sign_in(personas.ada).get(PAGE).content.decode()
    assert _outcomes(connection)[missing] == "missing"
    assert catalogue.get_permission_label(permission, kind) in page
    for feature in catalogue.get_disabled_features({missing}, kind):
        assert feature.without_it in page
    assert catalogue.screen_paths[kind] in page
    assert connection.state == Connection.State.DEGRADED


def test_missing_essential_permission_blocks_sync(connect, kind: str) -> None:
    connection = connect(kind, without={"users.list", "users.retrieve"})
    assert connection.state == Connection.State.ACTION_NEEDED
    assert not SyncRun.objects.exists()


def test_granted_permission_makes_connection_live(
    connect, personas: Personas, sandbox: Sandbox, sign_in, run_tasks, kind: str
) -> None:
    connection = connect(kind, without={"jobs.list", "jobs.retrieve"})
    credential = connection.credential
    values = credential.get_secrets()
    secret = values.get("client_id") or values["api_key"]
    sandbox.credentials.find_credential(secret).grant_permissions({"jobs.list", "jobs.retrieve"})
    sign_in(personas.ada).post(PAGE)
    run_tasks()
    connection.refresh_from_db()
    assert connection.state == Connection.State.LIVE


def test_check_changes_nothing_in_greenhouse(connect, sandbox: Sandbox, kind: str) -> None:
    before, records_before = sandbox.count_records(), _read_records(sandbox)
    connect(kind)
    assert sandbox.count_records() == before
    assert _read_records(sandbox) == records_before


def _read_records(sandbox: Sandbox) -> object:
    """Return all records of all accounts; tokens, which reading needs, are not among them."""
    return json.loads(sandbox.app.take_snapshot())["worlds"]


def test_page_polls_while_check_is_open(
    personas: Personas, sandbox: Sandbox, sign_in, run_tasks
) -> None:
    ada = sign_in(personas.ada)
    ada.post(reverse("onboarding:credential"), FULL_CREDENTIALS["harvest_key"])
    watching = ada.get(PAGE, **PARTIAL).content.decode()
    assert "<html" not in watching
    assert 'hx-trigger="every 1s"' in watching
    run_tasks()
    assert 'hx-trigger="every 1s"' not in ada.get(PAGE, **PARTIAL).content.decode()


def test_repeated_request_joins_open_check(
    personas: Personas, sandbox: Sandbox, sign_in, run_tasks
) -> None:
    ada = sign_in(personas.ada)
    ada.post(reverse("onboarding:credential"), FULL_CREDENTIALS["harvest_key"])
    ada.post(PAGE)
    ada.post(PAGE)
    run_tasks()
    assert CheckRun.objects.count() == 1
    assert SyncRun.objects.count() == 1  # the first sync, which follows the check


def test_redelivered_task_checks_once(connect, sandbox: Sandbox) -> None:
    connection = connect()
    requests_before = len(list(sandbox.requests))
    tasks.check_permissions(connection.checks.first().pk)
    assert len(list(sandbox.requests)) == requests_before


def test_revoked_credential_requires_action(
    connect, personas: Personas, sandbox: Sandbox, sign_in, run_tasks
) -> None:
    connection = connect("harvest_key")
    sandbox.faults.add_fault("/v1", status=401, times=None)
    sign_in(personas.ada).post(PAGE)
    run_tasks()
    connection.refresh_from_db()
    assert connection.state == Connection.State.ACTION_NEEDED
    assert b"Enter a credential" in sign_in(personas.ada).get(PAGE).content


def test_outage_leaves_connection_live(
    connect, personas: Personas, sandbox: Sandbox, sign_in, run_tasks, quick_retries: None
) -> None:
    connection = connect()
    sandbox.faults.add_fault(kind="drop_before", times=None)
    sign_in(personas.ada).post(PAGE)
    run_tasks()
    connection.refresh_from_db()
    assert connection.state == Connection.State.LIVE
    assert b"finish the check" in sign_in(personas.ada).get(PAGE).content


def test_interrupted_check_failed_by_sweep(connect, advance_clock, personas: Personas) -> None:
    connection = connect()
    setup_flow.request_check(connection, by=None)
    advance_clock(10 * 60)
    tasks.recover_lost_checks()
    check = connection.checks.first()
    assert check.status == CheckRun.Status.FAILED
    assert "Start it again" in check.failure


def test_progressing_check_survives_sweep(connect, advance_clock) -> None:
    connection = connect()
    setup_flow.request_check(connection, by=None)
    advance_clock(10 * 60)
    check = connection.checks.first()
    result = check.results.first()
    result.checked_at = timezone.now() - timedelta(minutes=1)
    result.save()
    tasks.recover_lost_checks()
    check.refresh_from_db()
    assert check.status == CheckRun.Status.QUEUED


@any_generation
def test_missing_optional_permission_keeps_live(
    connect, personas: Personas, sign_in, kind: str
) -> None:
    connection = connect(kind, without={"offices.list"})
    assert connection.state == Connection.State.LIVE
    page = sign_in(personas.ada).get(PAGE).content.decode()
    assert "Only optional permissions are missing" in page


def _list_calls(sandbox: Sandbox) -> list[str]:
    return [f"{request.method} {request.path}" for request in sandbox.requests]


def test_single_permission_tested_alone(
    connect, personas: Personas, sandbox: Sandbox, sign_in, run_tasks, kind: str
) -> None:
    connection = connect(kind, without={"job_posts.list", "candidates.list"})
    before = _outcomes(connection)
    secrets = connection.credential.get_secrets()
    greenhouse_credential = sandbox.credentials.find_credential(
        secrets.get("client_id") or secrets["api_key"]
    )
    greenhouse_credential.grant_permissions({"job_posts.list", "candidates.list"})
    calls_before = len(_list_calls(sandbox))
    sign_in(personas.ada).post(f"{PAGE}job_posts.list/")
    assert run_next_task()  # the check
    outcomes = _outcomes(connection)
    assert outcomes["job_posts.list"] == "granted"
    assert outcomes["candidates.list"] == "missing"  # not tested again
    assert outcomes.keys() == before.keys()
    reads = [call for call in _list_calls(sandbox)[calls_before:] if call.startswith("GET")]
    assert len(reads) <= 2  # the credential itself and the one permission
    run_tasks()  # the sync of the posts


def test_unknown_permission_returns_404(connect, personas: Personas, sign_in) -> None:
    connect()
    assert sign_in(personas.ada).post(f"{PAGE}jobs.explode/").status_code == 404


def test_other_people_cannot_test_permission(connect, personas: Personas, sign_in) -> None:
    connect()
    assert sign_in(personas.remy).post(f"{PAGE}jobs.list/").status_code == 403
    zoe = sign_in(personas.zoe).post(f"{PAGE}jobs.list/")
    assert zoe.url == reverse("onboarding:credential")  # Zoe's organization has none
    assert CheckRun.objects.count() == 1


def test_new_permission_shown_as_unverified(connect, personas: Personas, sign_in) -> None:
    connection = connect()
    connection.last_check.results.filter(permission="offices.list").delete()
    page = sign_in(personas.ada).get(PAGE).content.decode()
    assert "1 not tested yet" in page


def test_added_scope_explained_on_page(connect, personas: Personas, sign_in) -> None:
    connect()
    page = sign_in(personas.ada).get(PAGE).content.decode()
    assert "even if your setup article doesn't list it" in page
    assert "your rejection reasons when somebody rejects" in page


def test_unused_scopes_listed_for_removal(connect, personas: Personas, sign_in) -> None:
    connection = connect()
    page = sign_in(personas.ada).get(PAGE).content.decode()
    unused = connection.last_check.unused_scopes
    assert "harvest:referrers:list" in unused
    assert "harvest:attachments:list" not in unused  # used by the review page
    assert "harvest:sources:list" not in unused  # used to show and change an application's source
    assert "Unneeded scopes" in page
    assert "<code>harvest:referrers:list</code>" in page


def test_v1_key_has_no_unused_scopes(connect, personas: Personas, sign_in) -> None:
    connection = connect("harvest_key")
    assert connection.last_check.unused_scopes == []


@each_refusal
def test_missing_site_admin_blocks_sync(
    personas: Personas, sandbox: Sandbox, sign_in, run_tasks
) -> None:
    client = sandbox.credentials.create_client(account="acme", reader_is_site_admin=False)
    ada = sign_in(personas.ada)
    values = {"client_id": client.client_id, "client_secret": client.client_secret}
    ada.post(reverse("onboarding:credential"), {"kind": "harvest_oauth", **values})
    run_tasks()
    assert not SyncRun.objects.exists()
    assert "isn't a Site Admin" in ada.get(PAGE).content.decode()
