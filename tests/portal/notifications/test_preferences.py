"""Notification preferences: at once, daily, or after quiet hours."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.mail import EmailMessage
from django.urls import reverse

from portal.issues import service
from portal.issues.models import Issue
from portal.notifications import notify
from portal.notifications.models import Notification, Preference
from tests.personas import Personas

PAGE = reverse("notifications:preferences")
ISSUE: dict[str, Any] = {
    "title": "“Reject” is not ticked",
    "description": "Please tick it.",
    "severity": Issue.Severity.CRITICAL,
    "fixer": Issue.Fixer.GREENHOUSE_ADMIN,
}


def _notify_ada(personas: Personas, number: int) -> None:
    acme = personas.ada.organization
    notify.notify_users(
        [personas.ada.user], acme, key=f"k{number}", subject=f"Thing {number}", body="It is so."
    )


def test_waiting_notices_leave_in_one_mail(
    personas: Personas, run_tasks, mailoutbox: list[EmailMessage]
) -> None:
    for number in range(3):
        _notify_ada(personas, number)
    run_tasks()
    [mail] = mailoutbox
    assert mail.subject == "Acme: Thing 0 and 2 more"
    assert all(f"Thing {number}" in mail.body for number in range(3))
    assert PAGE in mail.body
    assert set(Notification.objects.values_list("status", flat=True)) == {"sent"}


def test_daily_digest_is_sent_once_a_day(
    personas: Personas, sign_in, run_tasks, advance_clock, mailoutbox: list[EmailMessage]
) -> None:
    sign_in(personas.ada).post(PAGE, {"frequency": "daily", "quiet": ""})
    _notify_ada(personas, 1)
    run_tasks()
    assert mailoutbox == []
    notify.send_digests()
    _notify_ada(personas, 2)
    notify.send_digests()
    assert len(mailoutbox) == 1
    advance_clock(24 * 3600)
    notify.send_digests()
    notify.send_digests()
    assert [mail.subject for mail in mailoutbox] == ["Acme: Thing 1", "Acme: Thing 2"]


def test_quiet_time_delays_all_notices(
    personas: Personas, sign_in, run_tasks, advance_clock, mailoutbox: list[EmailMessage]
) -> None:
    ada = sign_in(personas.ada)
    ada.post(PAGE, {"frequency": "at_once", "quiet": "1"})
    _notify_ada(personas, 1)
    _notify_ada(personas, 2)
    run_tasks()
    notify.send_digests()
    assert mailoutbox == []
    assert "Snoozed until" in ada.get(PAGE).content.decode()
    advance_clock(24 * 3600 + 60)
    notify.send_digests()
    assert [mail.subject for mail in mailoutbox] == ["Acme: Thing 1 and 1 more"]
    assert "Snoozed until" not in sign_in(personas.ada).get(PAGE).content.decode()


def test_preferences_are_personal(personas: Personas, sign_in, client) -> None:
    assert client.get(PAGE).status_code == 302
    for person in (personas.ada, personas.zoe, personas.cas):
        assert sign_in(person).get(PAGE).status_code == 200
    sign_in(personas.zoe).post(PAGE, {"frequency": "daily", "quiet": ""})
    assert [p.user for p in Preference.objects.all()] == [personas.zoe.user]
    assert sign_in(personas.zoe).post(PAGE, {"frequency": "hourly"}).status_code == 422


def test_issue_mailed_when_opened_and_solved(
    personas: Personas, run_tasks, mailoutbox: list[EmailMessage]
) -> None:
    acme = personas.ada.organization
    for _ in range(3):
        service.open_issue(acme, Issue.Cause.NO_SITE_ADMIN, **ISSUE)
    run_tasks()
    assert [(mail.to, mail.subject) for mail in mailoutbox] == [
        (["ada@acme.example"], f"Acme: {ISSUE['title']}")
    ]
    mailoutbox.clear()
    service.resolve_issues(acme, Issue.Cause.NO_SITE_ADMIN, why="it was ticked")
    service.resolve_issues(acme, Issue.Cause.NO_SITE_ADMIN, why="it was ticked")
    run_tasks()
    assert [mail.subject for mail in mailoutbox] == [f"Acme: Resolved: {ISSUE['title']}"]


def test_owner_is_mailed_besides_the_fixer(
    personas: Personas, run_tasks, mailoutbox: list[EmailMessage]
) -> None:
    acme = personas.ada.organization
    acme.owner = personas.cas
    acme.save()
    service.open_issue(acme, Issue.Cause.NO_SITE_ADMIN, **ISSUE)
    run_tasks()
    recipients = [address for mail in mailoutbox for address in mail.to]
    assert sorted(recipients) == ["ada@acme.example", "cas@portal.example"]


def test_shared_outage_sends_one_mail_per_person(
    personas: Personas, run_tasks, mailoutbox: list[EmailMessage]
) -> None:
    for organization in (personas.ada.organization, personas.zoe.organization):
        service.open_issue(
            organization,
            Issue.Cause.WORKER_DEAD,
            **{**ISSUE, "fixer": Issue.Fixer.OPERATOR},
        )
    run_tasks()
    assert [mail.to for mail in mailoutbox] == [["ola@portal.example"]]


@pytest.mark.parametrize(
    ("fixer", "recipients"),
    [(Issue.Fixer.CSM, ["cas@portal.example"]), (Issue.Fixer.GREENHOUSE, [])],
)
def test_issue_mailed_only_to_those_who_can_fix_it(
    personas: Personas,
    run_tasks,
    mailoutbox: list[EmailMessage],
    fixer: Issue.Fixer,
    recipients: list[str],
) -> None:
    service.open_issue(
        personas.ada.organization, Issue.Cause.SYNC_FAILING, **{**ISSUE, "fixer": fixer}
    )
    run_tasks()
    assert [mail.to[0] for mail in mailoutbox] == recipients


def test_digest_on_several_customers_says_how_many(
    personas: Personas, mailoutbox: list[EmailMessage]
) -> None:
    Preference.objects.create(user=personas.cas, frequency="daily")
    for member in (personas.ada, personas.zoe):
        organization = member.organization
        notify.notify_users(
            [personas.cas], organization, key=str(member.pk), subject="Stalled", body="It is so."
        )
    notify.send_digests()
    [mail] = mailoutbox
    assert mail.subject == "2 updates on 2 customers"
    assert "Acme: Stalled" in mail.body
    assert "Other Inc: Stalled" in mail.body


def test_fyi_issues_are_not_mailed(personas: Personas) -> None:
    service.open_issue(
        personas.ada.organization, Issue.Cause.DRIFT, **{**ISSUE, "severity": Issue.Severity.INFO}
    )
    assert not Notification.objects.exists()
