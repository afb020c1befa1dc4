"""Greenhouse permits something else than before: noticed, told once, mended by itself."""

from __future__ import annotations

import pytest
from cryptography.fernet import Fernet, MultiFernet
from django.core import mail
from encrypted_model_fields import fields as encrypted

from integrations.greenhouse.sandbox import Sandbox
from portal.applications.models import ApplicationAction
from portal.applications.outbox import release
from portal.connections import drift
from portal.connections.models import Connection
from portal.issues.models import Issue
from portal.onboarding import tasks
from tests.cast import Cast
from tests.conftest import FULL, V3, either_refusal
from tests.portal.applications import clicking
from tests.portal.meanwhile import when_greenhouse_has_answered

DAY = 24 * 3600 + 60
Cause = Issue.Cause


@pytest.fixture
def connection(connect) -> Connection:
    made: Connection = connect()
    mail.outbox.clear()
    return made


@pytest.fixture
def credential(connection: Connection, sandbox: Sandbox):
    """What Greenhouse has of it."""
    return sandbox.credentials.find(V3["client_id"])


def _open() -> dict[str, str]:
    return dict(Issue.objects.filter(closed_at=None).values_list("key", "cause"))


def _looked_at_a_day_later(later, work) -> None:
    later(DAY)
    tasks.check_daily()
    work()


def _state_of(connection: Connection) -> str:
    connection.refresh_from_db()
    return connection.state


def test_a_connection_is_looked_at_once_a_day(connection: Connection, later, work) -> None:
    before = connection.checks.count()
    tasks.check_daily()
    assert connection.checks.count() == before
    later(DAY)
    tasks.check_daily()
    tasks.check_daily()
    work()
    assert connection.checks.count() == before + 1
    connection.refresh_from_db()
    assert connection.state == Connection.State.LIVE


def test_the_state_stays_while_it_is_looked_at(connection: Connection, later) -> None:
    later(DAY)
    tasks.check_daily()
    connection.refresh_from_db()
    assert connection.state == Connection.State.LIVE


def test_a_permission_that_was_taken_away_opens_an_issue_and_is_told_once(
    connection: Connection, credential, later, work
) -> None:
    credential.remove({"applications.reject"})
    for _ in range(2):
        later(DAY)
        tasks.check_daily()
        work()
    assert _open() == {"harvest:applications:reject": "missing_permission"}
    issue = Issue.objects.get()
    assert "The Reject button is off." in issue.words
    assert "It was still granted on" in issue.words
    told = [message for message in mail.outbox if "permits something else" in message.subject]
    assert {to for message in told for to in message.to} == {
        "ada@acme.example",
        "cas@portal.example",
        "ola@portal.example",
    }
    assert len(told) == 3  # each person once, though it was seen twice
    assert "No longer granted: Applications: harvest:applications:reject" in told[0].body
    connection.refresh_from_db()
    assert connection.state == Connection.State.DEGRADED


def test_given_back_it_closes_the_issue_and_is_told(
    connection: Connection, credential, later, work
) -> None:
    credential.remove({"applications.reject"})
    later(DAY)
    tasks.check_daily()
    work()
    credential.grant({"applications.reject"})
    mail.outbox.clear()
    later(DAY)
    tasks.check_daily()
    work()
    assert _open() == {}
    assert Issue.objects.get().closed_why == "the permission was granted"
    assert "Granted again" in mail.outbox[0].body
    connection.refresh_from_db()
    assert connection.state == Connection.State.LIVE


def test_a_check_that_could_not_tell_closes_no_issue(
    connect, sandbox: Sandbox, later, work
) -> None:
    connection = connect(without={"job_posts.list"})
    sandbox.faults.add("/v3/job_posts", kind="html", times=None)
    _looked_at_a_day_later(later, work)
    found = connection.last_check.results.get(permission="job_posts.list")
    assert found.outcome == "unclear"
    assert _open() == {"harvest:job_posts:list": Cause.MISSING_PERMISSION}


def test_a_403_somewhere_has_it_looked_at_soon_and_not_again_and_again(
    connection: Connection, later, work
) -> None:
    before = connection.checks.count()
    later(10 * 60)
    for _ in range(5):
        drift.permission_refused(connection)
    work()
    drift.permission_refused(connection)
    assert connection.checks.count() == before + 1


def test_a_403_on_a_click_switches_the_button_off_and_is_told_once(
    connect, cast: Cast, sandbox: Sandbox, sign_in, later, work, kind: str
) -> None:
    connection = connect(kind)
    credential = connection.credential.secrets()
    name = credential.get("client_id") or credential["api_key"]
    sandbox.credentials.find(name).remove({"applications.reject"})
    later(10 * 60)  # since the check of the set-up
    mail.outbox.clear()
    remy = sign_in(cast.remy)
    first, second = clicking.applications()[:2]
    clicking.reject(remy, first)
    clicking.reject(remy, second)
    later(30)
    release()
    work()
    assert clicking.newest().status == ApplicationAction.Status.REFUSED
    assert not clicking.writes(sandbox)
    assert [issue.cause for issue in Issue.objects.filter(closed_at=None)] == ["missing_permission"]
    connection.refresh_from_db()
    assert connection.state == Connection.State.DEGRADED
    assert "Reject is off: the Greenhouse credential lacks" in clicking.shown(remy, first)
    assert clicking.reject(remy, first).status_code == 403
    later(10 * 60)
    tasks.sweep()
    work()
    told = [message for message in mail.outbox if "permits something else" in message.subject]
    assert sorted(to for message in told for to in message.to) == [
        "ada@acme.example",
        "cas@portal.example",
        "ola@portal.example",
    ]


def test_a_credential_that_was_revoked_opens_an_issue_which_a_new_one_closes(
    connection: Connection, sandbox: Sandbox, cast: Cast, sign_in, later, work
) -> None:
    sandbox.faults.add("/token", status=401, body={"error": "invalid_client"}, times=None)
    later(DAY)
    tasks.check_daily()
    work()
    assert _open() == {"": "bad_credential"}
    assert [m for m in mail.outbox if "no longer accepts the credential" in m.subject]
    connection.refresh_from_db()
    assert connection.state == Connection.State.ACTION_NEEDED
    sandbox.faults.clear()
    sign_in(cast.ada).post("/set-up/credential/", V3)
    work()
    assert _open() == {}
    connection.refresh_from_db()
    assert connection.state == Connection.State.LIVE


def test_a_credential_that_was_only_tried_beside_is_no_drift(
    connection: Connection, sandbox: Sandbox, cast: Cast, sign_in, later, work
) -> None:
    made = sandbox.credentials.create_client(without={"applications.reject"})
    values = {"client_id": made.client_id, "client_secret": made.client_secret}
    ada = sign_in(cast.ada)
    ada.post("/set-up/credential/", {"kind": "harvest_oauth", **values})
    work()
    ada.post("/set-up/rotation/discard/")
    later(DAY)
    tasks.check_daily()
    work()
    assert not [m for m in mail.outbox if "permits something else" in m.subject]
    assert _open() == {}


def test_a_check_of_one_that_was_replaced_meanwhile_says_nothing(
    connection: Connection, sandbox: Sandbox, cast: Cast, sign_in, later, work
) -> None:
    made = sandbox.credentials.create_client()
    values = {"client_id": made.client_id, "client_secret": made.client_secret}
    sign_in(cast.ada).post("/set-up/credential/", {"kind": "harvest_oauth", **values})
    work()
    mail.outbox.clear()

    def replace() -> None:
        sign_in(cast.ada).post("/set-up/rotation/switch/")
        # The old one is revoked in Greenhouse, as one may now.
        gone = {"status": 401, "body": {"error": "invalid_client"}}
        sandbox.faults.add("/token", credential=V3["client_id"], times=None, **gone)
        sandbox.faults.add("/v3", credential=V3["client_id"], times=None, **gone)

    later(DAY)
    tasks.check_daily()
    with when_greenhouse_has_answered(replace):
        work()
    assert connection.credential.secrets()["client_id"] == made.client_id
    assert _open() == {}
    assert not [m for m in mail.outbox if "no longer accepts the credential" in m.subject]
    assert _state_of(connection) == Connection.State.LIVE


def test_during_the_first_set_up_nobody_is_written_to(connect) -> None:
    connect(without={"applications.reject"})
    assert not [m for m in mail.outbox if "permits something else" in m.subject]
    assert _open() == {"harvest:applications:reject": "missing_permission"}


def test_an_optional_one_missing_is_no_issue(connect) -> None:
    connect(without={"offices.list"})
    assert _open() == {}


@either_refusal
def test_a_reader_who_stops_being_a_site_admin_is_an_issue_until_made_one_again(
    connection: Connection, credential, sandbox: Sandbox, later, work
) -> None:
    reader = credential.service_user_id
    sandbox.mutate("set_site_admin", user=reader, site_admin=False)
    _looked_at_a_day_later(later, work)
    issue = Issue.objects.get(cause=Cause.NO_SITE_ADMIN)
    assert (issue.is_open, issue.severity) == (True, Issue.Severity.MUST_ACT)
    assert issue.fixer == Issue.Fixer.GREENHOUSE_ADMIN
    assert _state_of(connection) == Connection.State.ACTION_NEEDED

    sandbox.mutate("set_site_admin", user=reader)
    _looked_at_a_day_later(later, work)
    issue.refresh_from_db()
    assert issue.closed_why == "the reader is a Site Admin"
    assert _open() == {}
    assert _state_of(connection) == Connection.State.LIVE


@either_refusal
def test_a_credential_of_a_site_admin_closes_it_during_set_up(
    cast: Cast, sandbox: Sandbox, sign_in, work
) -> None:
    made = sandbox.credentials.create_client(account="acme", reader_is_site_admin=False)
    values = {"client_id": made.client_id, "client_secret": made.client_secret}
    ada = sign_in(cast.ada)
    ada.post("/set-up/credential/", {"kind": "harvest_oauth", **values})
    work()
    assert Cause.NO_SITE_ADMIN in _open().values()
    ada.post("/set-up/credential/", V3)
    work()
    assert _open() == {}


def _run_with_another_key(monkeypatch: pytest.MonkeyPatch) -> None:
    """Than the one that closed the secrets."""
    monkeypatch.setattr(encrypted, "CRYPTER", MultiFernet([Fernet(Fernet.generate_key())]))


def test_one_that_no_key_opens_is_an_issue_until_the_right_key_is_back(
    connection: Connection, monkeypatch: pytest.MonkeyPatch, later, work
) -> None:
    with monkeypatch.context() as wrong:
        _run_with_another_key(wrong)
        _looked_at_a_day_later(later, work)
    assert _open() == {"": Cause.UNREADABLE_CREDENTIAL}
    assert len([m for m in mail.outbox if "can no longer be opened" in m.subject]) == 3
    assert _state_of(connection) == Connection.State.ACTION_NEEDED
    _looked_at_a_day_later(later, work)
    assert _open() == {}
    assert _state_of(connection) == Connection.State.LIVE


def test_one_that_no_key_opens_is_an_issue_until_it_is_entered_again(
    connect, monkeypatch: pytest.MonkeyPatch, cast: Cast, sign_in, later, work, kind: str
) -> None:
    connection = connect(kind)
    _run_with_another_key(monkeypatch)
    _looked_at_a_day_later(later, work)
    assert _open() == {"": Cause.UNREADABLE_CREDENTIAL}
    ada = sign_in(cast.ada)
    assert ada.get("/set-up/credential/").status_code == 200
    ada.post("/set-up/credential/", FULL[kind])
    work()
    assert _open() == {}
    assert _state_of(connection) == Connection.State.LIVE


def test_the_first_time_it_is_live_the_admin_is_told_once(connect) -> None:
    connect()
    told = [m for m in mail.outbox if m.subject == "Greenhouse is connected"]
    assert [m.to for m in told] == [["ada@acme.example"]]
