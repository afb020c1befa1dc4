"""Changing the credential without downtime."""

from __future__ import annotations

import pytest
from django.test import Client

from integrations.greenhouse import sandbox as greenhouse
from integrations.greenhouse.sandbox import Sandbox
from portal.audit.models import Entry
from portal.connections.models import CheckRun, Connection
from portal.issues.models import Issue
from portal.mirror.models import Application, AtsUser, Job
from tests.cast import Cast
from tests.conftest import V1, V3

CREDENTIAL = "/set-up/credential/"
ROTATION = "/set-up/rotation/"


@pytest.fixture
def connection(connect) -> Connection:
    """Live with everything, by a v1 key."""
    return connect("harvest_key")


@pytest.fixture
def ada(connection: Connection, cast: Cast, sign_in) -> Client:
    return sign_in(cast.ada)


def _states(connection: Connection) -> list[str]:
    return list(connection.credentials.order_by("id").values_list("state", flat=True))


def test_a_new_credential_is_checked_beside_and_the_old_one_goes_on(
    ada: Client, connection: Connection, work
) -> None:
    assert ada.post(CREDENTIAL, V3).url == ROTATION
    assert _states(connection) == ["in_use", "beside"]
    work()
    connection.refresh_from_db()
    assert connection.state == Connection.State.LIVE
    assert connection.credential.kind == "harvest_key"
    assert "You can switch" in ada.get(ROTATION).content.decode()


def test_switching_keeps_the_mirror_and_its_ids(ada: Client, connection: Connection, work) -> None:
    def ids() -> dict[str, set[tuple[int, int]]]:
        return {
            model.__name__: set(model.objects.values_list("pk", "remote_id"))
            for model in (Application, Job)
        }

    before = ids()
    people = set(AtsUser.objects.values_list("pk", "remote_id"))
    ada.post(CREDENTIAL, V3)
    work()
    ada.post(f"{ROTATION}switch/")
    work()
    assert connection.credential.kind == "harvest_oauth"
    assert connection.syncs.first().status == "done"  # it was read with the new one
    assert ids() == before
    assert set(AtsUser.objects.values_list("pk", "remote_id")) >= people


def test_an_issue_of_the_other_kind_s_permission_does_not_close_as_granted(
    connect, cast: Cast, sign_in, work
) -> None:
    connect("harvest_key", without={"job_posts.list"})
    issue = Issue.objects.get(cause=Issue.Cause.MISSING_PERMISSION, closed_at=None)
    ada = sign_in(cast.ada)
    ada.post(CREDENTIAL, V3)
    work()
    ada.post(f"{ROTATION}switch/")
    work()
    issue.refresh_from_db()
    assert issue.closed_why.startswith("another kind of credential is in use")


def test_the_old_one_is_kept_until_confirmed_then_destroyed(
    ada: Client, connection: Connection, work
) -> None:
    old = connection.credential
    ada.post(CREDENTIAL, V3)
    work()
    ada.post(f"{ROTATION}switch/")
    old.refresh_from_db()
    assert (old.state, old.secret) == ("kept", V1["api_key"])
    ada.post(f"{ROTATION}confirm/")
    old.refresh_from_db()
    assert (old.state, old.secret) == ("destroyed", "")
    assert _states(connection) == ["destroyed", "in_use"]


def test_the_old_one_can_be_taken_back(ada: Client, connection: Connection, work) -> None:
    ada.post(CREDENTIAL, V3)
    work()
    ada.post(f"{ROTATION}switch/")
    ada.post(f"{ROTATION}back/")
    work()
    assert connection.credential.kind == "harvest_key"
    assert _states(connection) == ["in_use", "destroyed"]
    connection.refresh_from_db()
    assert connection.state == Connection.State.LIVE


def test_the_new_one_can_be_thrown_away(ada: Client, connection: Connection, work) -> None:
    ada.post(CREDENTIAL, V3)
    work()
    ada.post(f"{ROTATION}discard/")
    assert _states(connection) == ["in_use", "destroyed"]
    assert connection.credentials.get(state="destroyed").secret == ""


def test_what_the_new_one_may_not_is_shown_before_switching(
    ada: Client, connection: Connection, sandbox: Sandbox, work
) -> None:
    made = sandbox.credentials.create_client(without={"applications.reject", "job_posts.list"})
    pasted = {"client_id": made.client_id, "client_secret": made.client_secret}
    ada.post(CREDENTIAL, {"kind": "harvest_oauth", **pasted})
    work()
    page = ada.get(ROTATION).content.decode()
    assert "The new one may do less" in page
    assert "The Reject button is off." in page
    assert "Applications: Post: Reject Application" in page
    connection.refresh_from_db()
    assert connection.state == Connection.State.LIVE  # nothing of it is felt yet
    ada.post(f"{ROTATION}switch/")
    connection.refresh_from_db()
    assert connection.state == Connection.State.DEGRADED


def test_two_admins_switching_at_once_switch_once(
    ada: Client, connection: Connection, work
) -> None:
    ada.post(CREDENTIAL, V3)
    work()
    ada.post(f"{ROTATION}switch/")
    again = ada.post(f"{ROTATION}switch/", follow=True)
    assert "done already" in again.content.decode()
    assert _states(connection) == ["kept", "in_use"]


def test_it_cannot_be_switched_to_before_it_was_checked(
    ada: Client, connection: Connection
) -> None:
    ada.post(CREDENTIAL, V3)
    ada.post(f"{ROTATION}switch/")
    assert _states(connection) == ["in_use", "beside"]


def test_one_that_no_longer_works_is_replaced_at_once(
    ada: Client, connection: Connection, sandbox: Sandbox, work
) -> None:
    sandbox.faults.add("/v1", status=401, times=None)
    ada.post("/set-up/permissions/")
    work()
    assert connection.last_check.cause == CheckRun.Cause.CREDENTIAL
    ada.post(CREDENTIAL, V3)
    work()
    assert _states(connection) == ["destroyed", "in_use"]
    connection.refresh_from_db()
    assert connection.state == Connection.State.LIVE


OTHER = {
    **V3,
    "client_id": greenhouse.OTHER_V3_CLIENT_ID,
    "client_secret": greenhouse.OTHER_V3_CLIENT_SECRET,
}


@pytest.mark.parametrize("typed", ["", "yes", "Other Inc"])
def test_another_account_is_refused_unless_it_is_said_in_words(
    ada: Client, connection: Connection, typed: str
) -> None:
    answer = ada.post(CREDENTIAL, {**OTHER, "another_account": typed})
    assert answer.status_code == 422
    assert "type Acme here" in answer.content.decode()
    assert _states(connection) == ["in_use"]


def test_another_account_said_in_words_replaces_everything_that_was_read(
    ada: Client, connection: Connection, work
) -> None:
    before = set(Job.objects.values_list("pk", flat=True))
    ada.post(CREDENTIAL, {**OTHER, "another_account": " acme "})
    connection.refresh_from_db()
    assert connection.state == Connection.State.DISCONNECTED  # nobody sees a mixture
    work()
    connection.refresh_from_db()
    assert connection.state == Connection.State.LIVE
    assert before.isdisjoint(Job.objects.values_list("pk", flat=True))
    assert AtsUser.objects.filter(primary_email="zoe@other.example").exists()
    assert not AtsUser.objects.filter(primary_email="ada@acme.example").exists()


def test_the_same_account_is_kept_even_when_another_one_was_allowed(
    ada: Client, connection: Connection, work
) -> None:
    before = set(Job.objects.values_list("pk", flat=True))
    assert ada.post(CREDENTIAL, {**V3, "another_account": "Acme"}).url == ROTATION
    work()
    assert set(Job.objects.values_list("pk", flat=True)) == before
    assert _states(connection) == ["in_use", "beside"]


def test_every_step_is_in_the_record(ada: Client, connection: Connection, work) -> None:
    ada.post(CREDENTIAL, V3)
    work()
    ada.post(f"{ROTATION}switch/")
    ada.post(f"{ROTATION}confirm/")
    entries = Entry.objects.filter(verb__startswith="credential.").order_by("id")
    assert [entry.verb for entry in entries] == [
        "credential.entered",
        "credential.entered",
        "credential.switched",
        "credential.destroyed",
    ]
    told = " ".join(entry.words for entry in entries)
    assert V3["client_secret"] not in told
    assert V3["client_secret"][-4:] in told


def test_zoe_switches_nothing_of_acmes(
    ada: Client, connection: Connection, cast: Cast, sign_in, work
) -> None:
    ada.post(CREDENTIAL, V3)
    work()
    sign_in(cast.zoe).post(f"{ROTATION}switch/")
    assert sign_in(cast.remy).post(f"{ROTATION}switch/").status_code == 403
    assert _states(connection) == ["in_use", "beside"]
