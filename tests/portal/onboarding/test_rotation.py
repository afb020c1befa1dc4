"""Credential rotation without downtime."""

from __future__ import annotations

import re

import pytest
from django.test import Client

from integrations.greenhouse import sandbox as greenhouse
from integrations.greenhouse.sandbox import Sandbox
from portal.audit.models import Entry
from portal.connections.models import CheckRun, Connection
from portal.issues.models import Issue
from portal.sync.models import Application, AtsUser, Job
from tests.conftest import V1, V3
from tests.personas import Personas

CREDENTIAL = "/setup/credential/"
ROTATION = "/setup/rotation/"


@pytest.fixture
def connection(connect) -> Connection:
    """A live connection with all permissions, by a v1 key."""
    return connect("harvest_key")


@pytest.fixture
def ada(connection: Connection, personas: Personas, sign_in) -> Client:
    return sign_in(personas.ada)


def _credential_states(connection: Connection) -> list[str]:
    return list(connection.credentials.order_by("id").values_list("state", flat=True))


def test_new_credential_checked_while_old_in_use(
    ada: Client, connection: Connection, run_tasks
) -> None:
    assert ada.post(CREDENTIAL, V3).url == ROTATION
    assert _credential_states(connection) == ["in_use", "pending"]
    run_tasks()
    connection.refresh_from_db()
    assert connection.state == Connection.State.LIVE
    assert connection.credential.kind == "harvest_key"
    assert "The new credential has the same permissions" in ada.get(ROTATION).content.decode()


@pytest.mark.parametrize(("kind", "typed"), [("harvest_key", V1), ("harvest_oauth", V3)])
def test_credential_in_use_starts_no_rotation(
    connect, personas: Personas, sign_in, kind: str, typed: dict[str, str]
) -> None:
    connection = connect(kind)
    answer = sign_in(personas.ada).post(CREDENTIAL, typed)
    assert answer.status_code == 422
    assert "This credential is already in use. Nothing was changed." in answer.content.decode()
    assert _credential_states(connection) == ["in_use"]


def test_switch_keeps_mirror_ids(ada: Client, connection: Connection, run_tasks) -> None:
    def read_ids() -> dict[str, set[tuple[int, int]]]:
        return {
            model.__name__: set(model.objects.values_list("pk", "remote_id"))
            for model in (Application, Job)
        }

    before = read_ids()
    users_before = set(AtsUser.objects.values_list("pk", "remote_id"))
    ada.post(CREDENTIAL, V3)
    run_tasks()
    ada.post(f"{ROTATION}switch/")
    run_tasks()
    assert connection.credential.kind == "harvest_oauth"
    assert connection.syncs.first().status == "done"  # read with the new credential
    assert read_ids() == before
    assert set(AtsUser.objects.values_list("pk", "remote_id")) >= users_before


def test_other_kinds_permission_issue_not_closed_as_granted(
    connect, personas: Personas, sign_in, run_tasks
) -> None:
    connect("harvest_key", without={"job_posts.list"})
    issue = Issue.objects.get(cause=Issue.Cause.MISSING_PERMISSION, closed_at=None)
    ada = sign_in(personas.ada)
    ada.post(CREDENTIAL, V3)
    run_tasks()
    ada.post(f"{ROTATION}switch/")
    run_tasks()
    issue.refresh_from_db()
    assert issue.resolution.startswith("the new type of credential")


def test_old_credential_kept_until_confirmed(
    ada: Client, connection: Connection, run_tasks
) -> None:
    old = connection.credential
    ada.post(CREDENTIAL, V3)
    run_tasks()
    ada.post(f"{ROTATION}switch/")
    old.refresh_from_db()
    assert (old.state, old.secret) == ("previous", V1["api_key"])
    ada.post(f"{ROTATION}confirm/")
    old.refresh_from_db()
    assert (old.state, old.secret) == ("deleted", "")
    assert _credential_states(connection) == ["deleted", "in_use"]


def test_switch_can_be_rolled_back(ada: Client, connection: Connection, run_tasks) -> None:
    ada.post(CREDENTIAL, V3)
    run_tasks()
    ada.post(f"{ROTATION}switch/")
    ada.post(f"{ROTATION}restore/")
    run_tasks()
    assert connection.credential.kind == "harvest_key"
    assert _credential_states(connection) == ["in_use", "deleted"]
    connection.refresh_from_db()
    assert connection.state == Connection.State.LIVE


def test_new_credential_can_be_discarded(ada: Client, connection: Connection, run_tasks) -> None:
    ada.post(CREDENTIAL, V3)
    run_tasks()
    ada.post(f"{ROTATION}discard/")
    assert _credential_states(connection) == ["in_use", "deleted"]
    assert connection.credentials.get(state="deleted").secret == ""


def test_lost_permissions_shown_before_switch(
    ada: Client, connection: Connection, sandbox: Sandbox, run_tasks
) -> None:
    client = sandbox.credentials.create_client(without={"applications.reject", "job_posts.list"})
    values = {"client_id": client.client_id, "client_secret": client.client_secret}
    ada.post(CREDENTIAL, {"kind": "harvest_oauth", **values})
    run_tasks()
    page = ada.get(ROTATION).content.decode()
    assert "The new credential has fewer permissions" in page
    assert "The Reject button is off." in page
    assert "harvest:applications:reject" in page
    connection.refresh_from_db()
    assert connection.state == Connection.State.LIVE  # the old credential is still in use
    ada.post(f"{ROTATION}switch/")
    connection.refresh_from_db()
    assert connection.state == Connection.State.DEGRADED


@pytest.mark.parametrize("without", ["users.list", "job_posts.list"])
def test_useless_credential_is_not_suggested(
    ada: Client, connection: Connection, sandbox: Sandbox, run_tasks, without: str
) -> None:
    client = sandbox.credentials.create_client(without={without})
    values = {"client_id": client.client_id, "client_secret": client.client_secret}
    ada.post(CREDENTIAL, {"kind": "harvest_oauth", **values})
    run_tasks()
    page = ada.get(ROTATION).content.decode()
    [primary] = re.findall(r'<button class="btn btn-primary" type="submit">([^<]+)', page)
    is_useless = without == "users.list"
    assert ("nobody would see any requisitions" in page) is is_useless
    assert primary == ("Check again" if is_useless else "Switch to new credential")


def test_second_switch_is_refused(ada: Client, connection: Connection, run_tasks) -> None:
    ada.post(CREDENTIAL, V3)
    run_tasks()
    ada.post(f"{ROTATION}switch/")
    second = ada.post(f"{ROTATION}switch/", follow=True)
    assert "done already" in second.content.decode()
    assert _credential_states(connection) == ["previous", "in_use"]


def test_unchecked_credential_cannot_be_switched_to(ada: Client, connection: Connection) -> None:
    ada.post(CREDENTIAL, V3)
    ada.post(f"{ROTATION}switch/")
    assert _credential_states(connection) == ["in_use", "pending"]


def test_broken_credential_replaced_at_once(
    ada: Client, connection: Connection, sandbox: Sandbox, run_tasks
) -> None:
    sandbox.faults.add_fault("/v1", status=401, times=None)
    ada.post("/setup/permissions/")
    run_tasks()
    assert connection.last_check.cause == CheckRun.Cause.CREDENTIAL
    ada.post(CREDENTIAL, V3)
    run_tasks()
    assert _credential_states(connection) == ["deleted", "in_use"]
    connection.refresh_from_db()
    assert connection.state == Connection.State.LIVE


OTHER = {
    **V3,
    "client_id": greenhouse.OTHER_V3_CLIENT_ID,
    "client_secret": greenhouse.OTHER_V3_CLIENT_SECRET,
}


@pytest.mark.parametrize("typed", ["", "yes", "Other Inc"])
def test_other_account_requires_typed_name(ada: Client, connection: Connection, typed: str) -> None:
    answer = ada.post(CREDENTIAL, {**OTHER, "another_account": typed})
    assert answer.status_code == 422
    assert "type Acme and test again" in answer.content.decode()
    assert _credential_states(connection) == ["in_use"]


def test_other_account_replaces_all_data(ada: Client, connection: Connection, run_tasks) -> None:
    before = set(Job.objects.values_list("pk", flat=True))
    ada.post(CREDENTIAL, {**OTHER, "another_account": " acme "})
    connection.refresh_from_db()
    assert connection.state == Connection.State.DISCONNECTED  # no mixture of two accounts is shown
    run_tasks()
    connection.refresh_from_db()
    assert connection.state == Connection.State.LIVE
    assert before.isdisjoint(Job.objects.values_list("pk", flat=True))
    assert AtsUser.objects.filter(primary_email="zoe@other.example").exists()
    assert not AtsUser.objects.filter(primary_email="ada@acme.example").exists()


def test_same_account_kept_despite_typed_name(
    ada: Client, connection: Connection, run_tasks
) -> None:
    before = set(Job.objects.values_list("pk", flat=True))
    assert ada.post(CREDENTIAL, {**V3, "another_account": "Acme"}).url == ROTATION
    run_tasks()
    assert set(Job.objects.values_list("pk", flat=True)) == before
    assert _credential_states(connection) == ["in_use", "pending"]


def test_every_rotation_step_is_logged(ada: Client, connection: Connection, run_tasks) -> None:
    ada.post(CREDENTIAL, V3)
    run_tasks()
    ada.post(f"{ROTATION}switch/")
    ada.post(f"{ROTATION}confirm/")
    entries = Entry.objects.filter(verb__startswith="credential.").order_by("id")
    assert [entry.verb for entry in entries] == [
        "credential.entered",
        "credential.entered",
        "credential.switched",
        "credential.deleted",
    ]
    text = " ".join(entry.description for entry in entries)
    assert V3["client_secret"] not in text
    assert V3["client_secret"][-4:] in text


def test_other_people_cannot_switch(
    ada: Client, connection: Connection, personas: Personas, sign_in, run_tasks
) -> None:
    ada.post(CREDENTIAL, V3)
    run_tasks()
    sign_in(personas.zoe).post(f"{ROTATION}switch/")
    assert sign_in(personas.remy).post(f"{ROTATION}switch/").status_code == 403
    assert _credential_states(connection) == ["in_use", "pending"]
