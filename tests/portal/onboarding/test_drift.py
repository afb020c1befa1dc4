"""The permission monitor: losses are reported once and closed when restored."""

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
from tests.generations import any_generation
from tests.portal.applications import clicking
from tests.portal.meanwhile import when_greenhouse_has_answered

DAY = 24 * 3600 + 60
Cause = Issue.Cause


@pytest.fixture
def connection(connect) -> Connection:
    connected: Connection = connect()
    mail.outbox.clear()
    return connected


@pytest.fixture
def credential(connection: Connection, sandbox: Sandbox):
    """Greenhouse's record of the credential."""
    return sandbox.credentials.find(V3["client_id"])


def _open_issues() -> dict[str, str]:
    return dict(Issue.objects.filter(closed_at=None).values_list("key", "cause"))


def _check_a_day_later(later, work) -> None:
    later(DAY)
    tasks.check_daily()
    work()


def _read_state(connection: Connection) -> str:
    connection.refresh_from_db()
    return connection.state


def test_connection_checked_once_a_day(connection: Connection, later, work) -> None:
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


def test_state_kept_during_check(connection: Connection, later) -> None:
    later(DAY)
    tasks.check_daily()
    connection.refresh_from_db()
    assert connection.state == Connection.State.LIVE


def test_lost_permission_opens_issue_and_mails_once(
    connection: Connection, credential, later, work
) -> None:
    credential.remove({"applications.reject"})
    for _ in range(2):
        later(DAY)
        tasks.check_daily()
        work()
    assert _open_issues() == {"harvest:applications:reject": "missing_permission"}
    issue = Issue.objects.get()
    assert "The Reject button is off." in issue.words
    assert "It was still granted on" in issue.words
    mails = [message for message in mail.outbox if "permits something else" in message.subject]
    assert {to for message in mails for to in message.to} == {
        "ada@acme.example",
        "cas@portal.example",
        "ola@portal.example",
    }
    assert len(mails) == 3  # once per person, although it was found twice
    assert "No longer granted: Applications: harvest:applications:reject" in mails[0].body
    connection.refresh_from_db()
    assert connection.state == Connection.State.DEGRADED


def test_restored_permission_closes_issue(connection: Connection, credential, later, work) -> None:
    credential.remove({"applications.reject"})
    later(DAY)
    tasks.check_daily()
    work()
    credential.grant({"applications.reject"})
    mail.outbox.clear()
    later(DAY)
    tasks.check_daily()
    work()
    assert _open_issues() == {}
    assert Issue.objects.get().closed_why == "the permission was granted"
    assert "Granted again" in mail.outbox[0].body
    connection.refresh_from_db()
    assert connection.state == Connection.State.LIVE


def test_unclear_check_closes_no_issue(connect, sandbox: Sandbox, later, work) -> None:
    connection = connect(without={"job_posts.list"})
    sandbox.faults.add("/v3/job_posts", kind="html", times=None)
    _check_a_day_later(later, work)
    result = connection.last_check.results.get(permission="job_posts.list")
    assert result.outcome == "unclear"
    assert _open_issues() == {"harvest:job_posts:list": Cause.MISSING_PERMISSION}


def test_refused_request_triggers_one_check(connection: Connection, later, work) -> None:
    before = connection.checks.count()
    later(10 * 60)
    for _ in range(5):
        drift.permission_refused(connection)
    work()
    drift.permission_refused(connection)
    assert connection.checks.count() == before + 1


def test_refused_click_disables_button_and_mails_once(
    connect, cast: Cast, sandbox: Sandbox, sign_in, later, work, kind: str
) -> None:
    connection = connect(kind)
    credential = connection.credential.secrets()
    client_id = credential.get("client_id") or credential["api_key"]
    sandbox.credentials.find(client_id).remove({"applications.reject"})
    later(10 * 60)  # the check of the setup is no longer recent
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
    mails = [message for message in mail.outbox if "permits something else" in message.subject]
    assert sorted(to for message in mails for to in message.to) == [
        "ada@acme.example",
        "cas@portal.example",
        "ola@portal.example",
    ]


def test_revoked_credential_issue_closed_by_new_one(
    connection: Connection, sandbox: Sandbox, cast: Cast, sign_in, later, work
) -> None:
    sandbox.faults.add("/token", status=401, body={"error": "invalid_client"}, times=None)
    later(DAY)
    tasks.check_daily()
    work()
    assert _open_issues() == {"": "bad_credential"}
    assert [m for m in mail.outbox if "no longer accepts the credential" in m.subject]
    connection.refresh_from_db()
    assert connection.state == Connection.State.ACTION_NEEDED
    sandbox.faults.clear()
    sign_in(cast.ada).post("/set-up/credential/", V3)
    work()
    assert _open_issues() == {}
    connection.refresh_from_db()
    assert connection.state == Connection.State.LIVE


def test_discarded_credential_reports_nothing(
    connection: Connection, sandbox: Sandbox, cast: Cast, sign_in, later, work
) -> None:
    client = sandbox.credentials.create_client(without={"applications.reject"})
    values = {"client_id": client.client_id, "client_secret": client.client_secret}
    ada = sign_in(cast.ada)
    ada.post("/set-up/credential/", {"kind": "harvest_oauth", **values})
    work()
    ada.post("/set-up/rotation/discard/")
    later(DAY)
    tasks.check_daily()
    work()
    assert not [m for m in mail.outbox if "permits something else" in m.subject]
    assert _open_issues() == {}


def test_check_of_replaced_credential_reports_nothing(
    connection: Connection, sandbox: Sandbox, cast: Cast, sign_in, later, work
) -> None:
    client = sandbox.credentials.create_client()
    values = {"client_id": client.client_id, "client_secret": client.client_secret}
    sign_in(cast.ada).post("/set-up/credential/", {"kind": "harvest_oauth", **values})
    work()
    mail.outbox.clear()

    def switch_credential() -> None:
        sign_in(cast.ada).post("/set-up/rotation/switch/")
        # The old credential is revoked in Greenhouse.
        refusal = {"status": 401, "body": {"error": "invalid_client"}}
        sandbox.faults.add("/token", credential=V3["client_id"], times=None, **refusal)
        sandbox.faults.add("/v3", credential=V3["client_id"], times=None, **refusal)

    later(DAY)
    tasks.check_daily()
    with when_greenhouse_has_answered(switch_credential):
        work()
    assert connection.credential.secrets()["client_id"] == client.client_id
    assert _open_issues() == {}
    assert not [m for m in mail.outbox if "no longer accepts the credential" in m.subject]
    assert _read_state(connection) == Connection.State.LIVE


def test_no_mail_during_first_setup(connect) -> None:
    connect(without={"applications.reject"})
    assert not [m for m in mail.outbox if "permits something else" in m.subject]
    assert _open_issues() == {"harvest:applications:reject": "missing_permission"}


def test_missing_optional_permission_opens_no_issue(connect) -> None:
    connect(without={"offices.list"})
    assert _open_issues() == {}


@either_refusal
def test_lost_site_admin_is_issue_until_restored(
    connection: Connection, credential, sandbox: Sandbox, later, work
) -> None:
    reader = credential.service_user_id
    sandbox.mutate("set_site_admin", user=reader, site_admin=False)
    _check_a_day_later(later, work)
    issue = Issue.objects.get(cause=Cause.NO_SITE_ADMIN)
    assert (issue.is_open, issue.severity) == (True, Issue.Severity.MUST_ACT)
    assert issue.fixer == Issue.Fixer.GREENHOUSE_ADMIN
    assert _read_state(connection) == Connection.State.ACTION_NEEDED

    sandbox.mutate("set_site_admin", user=reader)
    _check_a_day_later(later, work)
    issue.refresh_from_db()
    assert issue.closed_why == "the reader is a Site Admin"
    assert _open_issues() == {}
    assert _read_state(connection) == Connection.State.LIVE


@either_refusal
def test_site_admin_credential_closes_issue_in_setup(
    cast: Cast, sandbox: Sandbox, sign_in, work
) -> None:
    made = sandbox.credentials.create_client(account="acme", reader_is_site_admin=False)
    values = {"client_id": made.client_id, "client_secret": made.client_secret}
    ada = sign_in(cast.ada)
    ada.post("/set-up/credential/", {"kind": "harvest_oauth", **values})
    work()
    assert Cause.NO_SITE_ADMIN in _open_issues().values()
    ada.post("/set-up/credential/", V3)
    work()
    assert _open_issues() == {}


def _use_another_key(monkeypatch: pytest.MonkeyPatch) -> None:
    """Replace the encryption key with a new one."""
    monkeypatch.setattr(encrypted, "CRYPTER", MultiFernet([Fernet(Fernet.generate_key())]))


def test_undecryptable_credential_recovers_with_key(
    connection: Connection, monkeypatch: pytest.MonkeyPatch, later, work
) -> None:
    with monkeypatch.context() as patched:
        _use_another_key(patched)
        _check_a_day_later(later, work)
    assert _open_issues() == {"": Cause.UNREADABLE_CREDENTIAL}
    assert len([m for m in mail.outbox if "can no longer be opened" in m.subject]) == 3
    assert _read_state(connection) == Connection.State.ACTION_NEEDED
    _check_a_day_later(later, work)
    assert _open_issues() == {}
    assert _read_state(connection) == Connection.State.LIVE


@any_generation
def test_undecryptable_credential_recovers_by_reentry(
    connect, monkeypatch: pytest.MonkeyPatch, cast: Cast, sign_in, later, work, kind: str
) -> None:
    connection = connect(kind)
    _use_another_key(monkeypatch)
    _check_a_day_later(later, work)
    assert _open_issues() == {"": Cause.UNREADABLE_CREDENTIAL}
    ada = sign_in(cast.ada)
    assert ada.get("/set-up/credential/").status_code == 200
    ada.post("/set-up/credential/", FULL[kind])
    work()
    assert _open_issues() == {}
    assert _read_state(connection) == Connection.State.LIVE


def test_admin_mailed_once_when_first_live(connect, later, work) -> None:
    connect()
    _check_a_day_later(later, work)
    mails = [m for m in mail.outbox if m.subject == "Greenhouse is connected"]
    assert [m.to for m in mails] == [["ada@acme.example"]]
