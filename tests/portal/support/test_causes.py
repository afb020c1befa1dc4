"""Causes that open and close an issue by themselves, beside those that tests of their rooms prove.

Elsewhere: permissions, credentials and the reader (onboarding/test_drift.py), Greenhouse down,
rate limit, drift and failing syncs (mirror), web hooks (webhooks/test_silence.py), workers
(health), many failed actions and unmatched people (test_machines.py).
"""

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
from tests.portal.applications.clicking import applications, click, reject

Severity = Issue.Severity
REFUSED = Issue.objects.filter(cause=Issue.Cause.ACTING_USER_REFUSED)


@pytest.fixture(autouse=True)
def _sent_at_once(settings: Any) -> None:
    settings.REJECT_HOLD_SECONDS = 0


def test_a_person_whom_greenhouse_refuses_is_an_issue_until_it_lets_them(
    connect, cast: Cast, sandbox: Sandbox, sign_in, work, kind: str
) -> None:
    connect(kind)
    vic = sign_in(cast.vic)  # may advance there, not reject
    to_reject = applications("vic")[: refusals.OFTEN]
    work()
    mail.outbox.clear()
    for number, application in enumerate(to_reject, 1):
        reject(vic, application)
        work()
        issue = REFUSED.get()
        assert issue.times == number
        told = [m.to[0] for m in mail.outbox if "does not let Vic" in f"{m.subject} {m.body}"]
        if number < refusals.OFTEN:
            assert (issue.severity, told) == (Severity.FYI, []), "one refusal is no alarm"
    assert issue.severity == Severity.DEGRADED
    assert sorted(told) == ["cas@portal.example", "ola@portal.example"]
    assert "vic@acme.example" in issue.words
    assert str(application.candidate) not in issue.words

    click(vic, "advance", applications("vic")[-1])
    work()
    assert REFUSED.get().is_open, "another deed tells nothing of this one"
    sandbox.faults.add(regex=r"/reject$", method="POST", status=200, body={}, times=1)
    reject(vic, applications("vic")[-2])
    work()
    assert not REFUSED.get().is_open
    assert [m for m in mail.outbox if "Solved" in f"{m.subject} {m.body}"]


def test_a_refusal_that_nobody_met_for_a_week_is_over(
    connect, cast: Cast, sign_in, work, later
) -> None:
    connect()
    reject(sign_in(cast.vic), applications("vic")[0])
    work()
    later(refusals.QUIET_FOR.total_seconds() - 600)
    watch.watch()
    assert REFUSED.get().is_open
    later(1200)
    watch.watch()
    assert REFUSED.get().closed_why == "not refused for a week"


def test_a_credential_that_a_sync_finds_refused_is_said_at_once_and_as_one_cause(
    connect, sandbox: Sandbox, work, later
) -> None:
    connection = connect()
    sandbox.faults.add("/token", status=401, body={"error": "invalid_client"}, times=None)
    sandbox.expire_tokens()
    for _ in range(4):
        later(3600)
        schedule.tick()
        work()
    opened = Issue.objects.filter(closed_at=None).exclude(cause=Issue.Cause.UNMATCHED_PEOPLE)
    assert [issue.cause for issue in opened] == [Issue.Cause.BAD_CREDENTIAL]
    connection.refresh_from_db()
    assert connection.state == "action_needed"


def test_a_changed_domain_is_over_when_the_addresses_fit_again(connect, cast: Cast) -> None:
    connect()
    lost = Issue.objects.filter(cause=Issue.Cause.UNMATCHED_PEOPLE, closed_at=None)
    people = [m.user for m in (cast.ada, cast.sam, cast.uma)]
    old = {user.pk: user.email for user in people}
    for user in people:
        user.email = user.email.replace("acme.example", "acme-new.example")
        user.save()
    watch.watch()
    assert lost.get().title == "Nobody in Greenhouse has an address at acme-new.example"
    for user in people[:2]:
        user.email = old[user.pk]
        user.save()
    people[2].delete()
    watch.watch()
    assert not lost.exists()
