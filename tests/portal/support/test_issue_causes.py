"""Issues that open and close automatically, beside those tested with their own subject."""

from __future__ import annotations

from typing import Any

import pytest
from django.core import mail

from integrations.greenhouse.sandbox import Sandbox
from portal.applications.actions import refusals
from portal.issues.models import Issue
from portal.support.monitoring import monitors
from portal.sync import schedule
from tests.api_generations import any_generation
from tests.personas import Personas
from tests.portal.applications.action_helpers import (
    list_applications,
    reject_application,
    submit_action,
)

Severity = Issue.Severity
REFUSED = Issue.objects.filter(cause=Issue.Cause.ACTING_USER_REFUSED)


@pytest.fixture(autouse=True)
def _send_at_once(settings: Any) -> None:
    settings.REJECT_UNDO_SECONDS = 0


@any_generation
def test_refused_person_is_issue_until_allowed(
    connect, personas: Personas, sandbox: Sandbox, sign_in, run_tasks, kind: str
) -> None:
    connect(kind)
    vic = sign_in(personas.vic)  # may advance but not reject
    to_reject = list_applications("vic")[: refusals.DEGRADED_AFTER_REFUSALS]
    run_tasks()
    mail.outbox.clear()
    for number, application in enumerate(to_reject, 1):
        reject_application(vic, application)
        run_tasks()
        issue = REFUSED.get()
        assert issue.occurrences == number
        if number < refusals.DEGRADED_AFTER_REFUSALS:
            assert issue.severity == Severity.INFO, "a single refusal alerts nobody"
    assert issue.severity == Severity.WARNING
    assert not [message for message in mail.outbox if "Vic" in message.subject + message.body]
    assert "vic@acme.example" in issue.description
    assert str(application.candidate) not in issue.description

    submit_action(vic, "advance", list_applications("vic")[-1])
    run_tasks()
    assert REFUSED.get().is_open, "another action proves nothing about this one"
    sandbox.faults.add_fault(regex=r"/reject$", method="POST", status=200, body={}, times=1)
    reject_application(vic, list_applications("vic")[-2])
    run_tasks()
    assert not REFUSED.get().is_open


def test_refusal_issue_closes_after_quiet_week(
    connect, personas: Personas, sign_in, run_tasks, advance_clock
) -> None:
    connect()
    reject_application(sign_in(personas.vic), list_applications("vic")[0])
    run_tasks()
    advance_clock(refusals.CLOSE_ISSUE_AFTER.total_seconds() - 600)
    monitors.run_monitors()
    assert REFUSED.get().is_open
    advance_clock(1200)
    monitors.run_monitors()
    assert REFUSED.get().resolution == "not denied for a week"


def test_credential_refused_in_sync_opens_one_issue(
    connect, sandbox: Sandbox, run_tasks, advance_clock
) -> None:
    connection = connect()
    sandbox.faults.add_fault("/token", status=401, body={"error": "invalid_client"}, times=None)
    sandbox.app.tokens.expire_all()
    for _ in range(4):
        advance_clock(3600)
        schedule.request_due_syncs()
        run_tasks()
    issues = Issue.objects.filter(closed_at=None).exclude(cause=Issue.Cause.UNMATCHED_PEOPLE)
    assert [issue.cause for issue in issues] == [Issue.Cause.BAD_CREDENTIAL]
    connection.refresh_from_db()
    assert connection.state == "action_needed"


def test_domain_change_issue_closes_when_addresses_match(connect, personas: Personas) -> None:
    connect()
    open_issues = Issue.objects.filter(cause=Issue.Cause.UNMATCHED_PEOPLE, closed_at=None)
    users = [member.user for member in (personas.ada, personas.sam, personas.uma)]
    old_emails = {user.pk: user.email for user in users}
    for user in users:
        user.email = user.email.replace("acme.example", "acme-new.example")
        user.save()
    monitors.run_monitors()
    assert open_issues.get().title == "No Greenhouse user has an address at acme-new.example"
    for user in users[:2]:
        user.email = old_emails[user.pk]
        user.save()
    users[2].delete()
    monitors.run_monitors()
    assert not open_issues.exists()
