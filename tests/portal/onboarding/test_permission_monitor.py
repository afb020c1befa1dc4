"""The permission monitor: losses are reported once and closed when restored."""

from __future__ import annotations

import pytest
from cryptography.fernet import Fernet, MultiFernet
from django.core import mail
from encrypted_model_fields import fields as encrypted

from integrations.greenhouse.sandbox import Sandbox
from portal.applications.actions.outbox import release_due_actions
from portal.applications.models import ApplicationAction
from portal.connections import tasks
from portal.connections.models import Connection
from portal.connections.permissions import monitor
from portal.issues.models import Issue
from tests.api_generations import any_generation
from tests.conftest import FULL_CREDENTIALS, V3, each_refusal
from tests.personas import Personas
from tests.portal.applications import action_helpers
from tests.portal.concurrency import run_after_response

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
    return sandbox.credentials.find_credential(V3["client_id"])


def _open_issues() -> dict[str, str]:
    return dict(Issue.objects.filter(closed_at=None).values_list("key", "cause"))


def _check_a_day_later(advance_clock, run_tasks) -> None:
    advance_clock(DAY)
    tasks.check_due_connections()
    run_tasks()


def _read_state(connection: Connection) -> str:
    connection.refresh_from_db()
    return connection.state


def test_connection_checked_once_a_day(connection: Connection, advance_clock, run_tasks) -> None:
    before = connection.checks.count()
    tasks.check_due_connections()
    assert connection.checks.count() == before
    advance_clock(DAY)
    tasks.check_due_connections()
    tasks.check_due_connections()
    run_tasks()
    assert connection.checks.count() == before + 1
    connection.refresh_from_db()
    assert connection.state == Connection.State.LIVE


def test_state_kept_during_check(connection: Connection, advance_clock) -> None:
    advance_clock(DAY)
    tasks.check_due_connections()
    connection.refresh_from_db()
    assert connection.state == Connection.State.LIVE


def test_lost_permission_opens_issue_and_mails_once(
    connection: Connection, credential, advance_clock, run_tasks
) -> None:
    credential.remove_permissions({"applications.reject"})
    for _ in range(2):
        advance_clock(DAY)
        tasks.check_due_connections()
        run_tasks()
    assert _open_issues() == {"harvest:applications:reject": "missing_permission"}
    issue = Issue.objects.get()
    assert "The Reject button is off." in issue.description
    assert "It was last granted on" in issue.description
    mails = [message for message in mail.outbox if "Greenhouse permission" in message.subject]
    assert [(message.to, message.subject) for message in mails] == [
        (["ada@acme.example"], "Acme: 1 Greenhouse permission changed")
    ]
    assert "No longer granted: harvest:applications:reject" in mails[0].body
    connection.refresh_from_db()
    assert connection.state == Connection.State.DEGRADED


def test_restored_permission_closes_issue(
    connection: Connection, credential, advance_clock, run_tasks
) -> None:
    credential.remove_permissions({"applications.reject"})
    advance_clock(DAY)
    tasks.check_due_connections()
    run_tasks()
    credential.grant_permissions({"applications.reject"})
    mail.outbox.clear()
    advance_clock(DAY)
    tasks.check_due_connections()
    run_tasks()
    assert _open_issues() == {}
    assert Issue.objects.get().resolution == "the permission was granted"
    assert "Granted again" in mail.outbox[0].body
    connection.refresh_from_db()
    assert connection.state == Connection.State.LIVE


def test_unclear_check_closes_no_issue(connect, sandbox: Sandbox, advance_clock, run_tasks) -> None:
    connection = connect(without={"job_posts.list"})
    sandbox.faults.add_fault("/v3/job_posts", kind="html", times=None)
    _check_a_day_later(advance_clock, run_tasks)
    result = connection.last_check.results.get(permission="job_posts.list")
    assert result.outcome == "unclear"
    assert _open_issues() == {"harvest:job_posts:list": Cause.MISSING_PERMISSION}


def test_refused_request_triggers_one_check(
    connection: Connection, advance_clock, run_tasks
) -> None:
    before = connection.checks.count()
    advance_clock(10 * 60)
    for _ in range(5):
        monitor.recheck_after_refusal(connection)
    run_tasks()
    monitor.recheck_after_refusal(connection)
    assert connection.checks.count() == before + 1


def test_refused_click_disables_button_and_mails_once(
    connect, personas: Personas, sandbox: Sandbox, sign_in, advance_clock, run_tasks, kind: str
) -> None:
    connection = connect(kind)
    credential = connection.credential.get_secrets()
    client_id = credential.get("client_id") or credential["api_key"]
    sandbox.credentials.find_credential(client_id).remove_permissions({"applications.reject"})
    advance_clock(10 * 60)  # the check of the setup is no longer recent
    mail.outbox.clear()
    remy = sign_in(personas.remy)
    first, second = action_helpers.list_applications()[:2]
    action_helpers.reject_application(remy, first)
    action_helpers.reject_application(remy, second)
    advance_clock(30)
    release_due_actions()
    run_tasks()
    assert action_helpers.get_latest_action().status == ApplicationAction.Status.REFUSED
    assert not action_helpers.list_writes(sandbox)
    assert [issue.cause for issue in Issue.objects.filter(closed_at=None)] == ["missing_permission"]
    connection.refresh_from_db()
    assert connection.state == Connection.State.DEGRADED
    assert "Reject is off: the Greenhouse credential is missing" in action_helpers.fetch_row(
        remy, first
    )
    assert action_helpers.reject_application(remy, first).status_code == 403
    advance_clock(10 * 60)
    tasks.recover_lost_checks()
    run_tasks()
    mails = [message for message in mail.outbox if "Greenhouse permission" in message.subject]
    assert [message.to for message in mails] == [["ada@acme.example"]]


def test_revoked_credential_issue_closed_by_new_one(
    connection: Connection, sandbox: Sandbox, personas: Personas, sign_in, advance_clock, run_tasks
) -> None:
    sandbox.faults.add_fault("/token", status=401, body={"error": "invalid_client"}, times=None)
    advance_clock(DAY)
    tasks.check_due_connections()
    run_tasks()
    assert _open_issues() == {"": "bad_credential"}
    assert [m for m in mail.outbox if "no longer accepts the credential" in m.subject]
    connection.refresh_from_db()
    assert connection.state == Connection.State.ACTION_NEEDED
    sandbox.faults.clear_faults()
    sign_in(personas.ada).post("/setup/credential/", V3)
    run_tasks()
    assert _open_issues() == {}
    connection.refresh_from_db()
    assert connection.state == Connection.State.LIVE


def test_discarded_credential_reports_nothing(
    connection: Connection, sandbox: Sandbox, personas: Personas, sign_in, advance_clock, run_tasks
) -> None:
    client = sandbox.credentials.create_client(without={"applications.reject"})
    values = {"client_id": client.client_id, "client_secret": client.client_secret}
    ada = sign_in(personas.ada)
    ada.post("/setup/credential/", {"kind": "harvest_oauth", **values})
    run_tasks()
    ada.post("/setup/rotation/discard/")
    advance_clock(DAY)
    tasks.check_due_connections()
    run_tasks()
    assert not [m for m in mail.outbox if "Greenhouse permission" in m.subject]
    assert _open_issues() == {}


def test_check_of_replaced_credential_reports_nothing(
    connection: Connection, sandbox: Sandbox, personas: Personas, sign_in, advance_clock, run_tasks
) -> None:
    client = sandbox.credentials.create_client()
    values = {"client_id": client.client_id, "client_secret": client.client_secret}
    sign_in(personas.ada).post("/setup/credential/", {"kind": "harvest_oauth", **values})
    run_tasks()
    mail.outbox.clear()

    def switch_credential() -> None:
        sign_in(personas.ada).post("/setup/rotation/switch/")
        # The old credential is revoked in Greenhouse.
        refusal = {"status": 401, "body": {"error": "invalid_client"}}
        sandbox.faults.add_fault("/token", credential=V3["client_id"], times=None, **refusal)
        sandbox.faults.add_fault("/v3", credential=V3["client_id"], times=None, **refusal)

    advance_clock(DAY)
    tasks.check_due_connections()
    with run_after_response(switch_credential):
        run_tasks()
    assert connection.credential.get_secrets()["client_id"] == client.client_id
    assert _open_issues() == {}
    assert not [m for m in mail.outbox if "no longer accepts the credential" in m.subject]
    assert _read_state(connection) == Connection.State.LIVE


def test_no_mail_during_first_setup(connect) -> None:
    connect(without={"applications.reject"})
    assert not [m for m in mail.outbox if "Greenhouse permission" in m.subject]
    assert _open_issues() == {"harvest:applications:reject": "missing_permission"}


def test_missing_optional_permission_opens_no_issue(connect) -> None:
    connect(without={"offices.list"})
    assert _open_issues() == {}


@each_refusal
def test_lost_site_admin_is_issue_until_restored(
    connection: Connection, credential, sandbox: Sandbox, advance_clock, run_tasks
) -> None:
    reader = credential.service_user_id
    sandbox.run_mutation("set_site_admin", user=reader, site_admin=False)
    _check_a_day_later(advance_clock, run_tasks)
    issue = Issue.objects.get(cause=Cause.NO_SITE_ADMIN)
    assert (issue.is_open, issue.severity) == (True, Issue.Severity.CRITICAL)
    assert issue.fixer == Issue.Fixer.GREENHOUSE_ADMIN
    assert _read_state(connection) == Connection.State.ACTION_NEEDED

    sandbox.run_mutation("set_site_admin", user=reader)
    _check_a_day_later(advance_clock, run_tasks)
    issue.refresh_from_db()
    assert issue.resolution == "the credential's user is a Site Admin"
    assert _open_issues() == {}
    assert _read_state(connection) == Connection.State.LIVE


@each_refusal
def test_site_admin_credential_closes_issue_in_setup(
    personas: Personas, sandbox: Sandbox, sign_in, run_tasks
) -> None:
    made = sandbox.credentials.create_client(account="acme", reader_is_site_admin=False)
    values = {"client_id": made.client_id, "client_secret": made.client_secret}
    ada = sign_in(personas.ada)
    ada.post("/setup/credential/", {"kind": "harvest_oauth", **values})
    run_tasks()
    assert Cause.NO_SITE_ADMIN in _open_issues().values()
    ada.post("/setup/credential/", V3)
    run_tasks()
    assert _open_issues() == {}


def _use_another_key(monkeypatch: pytest.MonkeyPatch) -> None:
    """Replace the encryption key with a new one."""
    monkeypatch.setattr(encrypted, "CRYPTER", MultiFernet([Fernet(Fernet.generate_key())]))


def test_undecryptable_credential_recovers_with_key(
    connection: Connection, monkeypatch: pytest.MonkeyPatch, advance_clock, run_tasks
) -> None:
    with monkeypatch.context() as patched:
        _use_another_key(patched)
        _check_a_day_later(advance_clock, run_tasks)
    assert _open_issues() == {"": Cause.UNREADABLE_CREDENTIAL}
    assert len([m for m in mail.outbox if "stored credential can't be read" in m.subject]) == 1
    assert _read_state(connection) == Connection.State.ACTION_NEEDED
    _check_a_day_later(advance_clock, run_tasks)
    assert _open_issues() == {}
    assert _read_state(connection) == Connection.State.LIVE


@any_generation
def test_undecryptable_credential_recovers_by_reentry(
    connect,
    monkeypatch: pytest.MonkeyPatch,
    personas: Personas,
    sign_in,
    advance_clock,
    run_tasks,
    kind: str,
) -> None:
    connection = connect(kind)
    _use_another_key(monkeypatch)
    _check_a_day_later(advance_clock, run_tasks)
    assert _open_issues() == {"": Cause.UNREADABLE_CREDENTIAL}
    ada = sign_in(personas.ada)
    assert ada.get("/setup/credential/").status_code == 200
    ada.post("/setup/credential/", FULL_CREDENTIALS[kind])
    run_tasks()
    assert _open_issues() == {}
    assert _read_state(connection) == Connection.State.LIVE


def test_admin_mailed_once_when_first_live(connect, advance_clock, run_tasks) -> None:
    connect()
    _check_a_day_later(advance_clock, run_tasks)
    mails = [m for m in mail.outbox if m.subject == "Acme: Greenhouse is connected"]
    assert [m.to for m in mails] == [["ada@acme.example"]]
