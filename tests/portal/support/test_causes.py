"""Issues that open and close automatically, beside those tested with their own subject."""

from __future__ import annotations

from typing import Any

import pytest
from django.core import mail

from integrations.greenhouse.sandbox import Sandbox
from portal.applications import refusals
from portal.issues.models import Issue
from portal.mirror import schedule
from portal.support import watch
from tests.cast import Cast
from tests.generations import any_generation
from tests.portal.applications.clicking import applications, click, reject

Severity = Issue.Severity
REFUSED = Issue.objects.filter(cause=Issue.Cause.ACTING_USER_REFUSED)


@pytest.fixture(autouse=True)
def _send_at_once(settings: Any) -> None:
    settings.REJECT_HOLD_SECONDS = 0


@any_generation
def test_refused_person_is_issue_until_allowed(
    connect, cast: Cast, sandbox: Sandbox, sign_in, work, kind: str
) -> None:
    connect(kind)
    vic = sign_in(cast.vic)  # may advance but not reject
    to_reject = applications("vic")[: refusals.OFTEN]
    work()
    mail.outbox.clear()
    for number, application in enumerate(to_reject, 1):
        reject(vic, application)
        work()
        issue = REFUSED.get()
        assert issue.times == number
        recipients = [
            message.to[0]
            for message in mail.outbox
            if "does not let Vic" in f"{message.subject} {message.body}"
        ]
        if number < refusals.OFTEN:
            assert (issue.severity, recipients) == (Severity.FYI, []), (
                "a single refusal alerts nobody"
            )
    assert issue.severity == Severity.DEGRADED
    assert sorted(recipients) == ["cas@portal.example", "ola@portal.example"]
    assert "vic@acme.example" in issue.words
    assert str(application.candidate) not in issue.words

    click(vic, "advance", applications("vic")[-1])
    work()
    assert REFUSED.get().is_open, "another action proves nothing about this one"
    sandbox.faults.add(regex=r"/reject$", method="POST", status=200, body={}, times=1)
    reject(vic, applications("vic")[-2])
    work()
    assert not REFUSED.get().is_open
    assert [message for message in mail.outbox if "Solved" in f"{message.subject} {message.body}"]


def test_refusal_issue_closes_after_quiet_week(connect, cast: Cast, sign_in, work, later) -> None:
    connect()
    reject(sign_in(cast.vic), applications("vic")[0])
    work()
    later(refusals.QUIET_FOR.total_seconds() - 600)
    watch.watch()
    assert REFUSED.get().is_open
    later(1200)
    watch.watch()
    assert REFUSED.get().closed_why == "not refused for a week"


def test_credential_refused_in_sync_opens_one_issue(connect, sandbox: Sandbox, work, later) -> None:
    connection = connect()
    sandbox.faults.add("/token", status=401, body={"error": "invalid_client"}, times=None)
    sandbox.expire_tokens()
    for _ in range(4):
        later(3600)
        schedule.tick()
        work()
    issues = Issue.objects.filter(closed_at=None).exclude(cause=Issue.Cause.UNMATCHED_PEOPLE)
    assert [issue.cause for issue in issues] == [Issue.Cause.BAD_CREDENTIAL]
    connection.refresh_from_db()
    assert connection.state == "action_needed"


def test_domain_change_issue_closes_when_addresses_match(connect, cast: Cast) -> None:
    connect()
    open_issues = Issue.objects.filter(cause=Issue.Cause.UNMATCHED_PEOPLE, closed_at=None)
    users = [member.user for member in (cast.ada, cast.sam, cast.uma)]
    old_emails = {user.pk: user.email for user in users}
    for user in users:
        user.email = user.email.replace("acme.example", "acme-new.example")
        user.save()
    watch.watch()
    assert open_issues.get().title == "Nobody in Greenhouse has an address at acme-new.example"
    for user in users[:2]:
        user.email = old_emails[user.pk]
        user.save()
    users[2].delete()
    watch.watch()
    assert not open_issues.exists()
