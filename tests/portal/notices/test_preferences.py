"""Notification preferences: at once, daily, or after quiet hours."""

from __future__ import annotations

from typing import Any

from django.core.mail import EmailMessage
from django.urls import reverse

from portal.issues import book
from portal.issues.models import Issue
from portal.notices import tell
from portal.notices.models import Notice, Preference
from tests.cast import Cast

PAGE = reverse("notices:preferences")
ISSUE: dict[str, Any] = {
    "title": "“Reject” is not ticked",
    "words": "Please tick it.",
    "severity": Issue.Severity.MUST_ACT,
    "fixer": Issue.Fixer.GREENHOUSE_ADMIN,
}


def _notify_ada(cast: Cast, number: int) -> None:
    acme = cast.ada.organization
    tell.tell([cast.ada.user], acme, key=f"k{number}", subject=f"Thing {number}", words="It is so.")


def test_waiting_notices_leave_in_one_mail(
    cast: Cast, work, mailoutbox: list[EmailMessage]
) -> None:
    for number in range(3):
        _notify_ada(cast, number)
    work()
    [mail] = mailoutbox
    assert mail.subject == "Thing 0 and 2 more"
    assert all(f"Thing {number}" in mail.body for number in range(3))
    assert PAGE in mail.body
    assert set(Notice.objects.values_list("status", flat=True)) == {"sent"}


def test_daily_digest_is_sent_once_a_day(
    cast: Cast, sign_in, work, later, mailoutbox: list[EmailMessage]
) -> None:
    sign_in(cast.ada).post(PAGE, {"how": "daily", "quiet": ""})
    _notify_ada(cast, 1)
    work()
    assert mailoutbox == []
    tell.digests()
    _notify_ada(cast, 2)
    tell.digests()
    assert len(mailoutbox) == 1
    later(24 * 3600)
    tell.digests()
    tell.digests()
    assert [mail.subject for mail in mailoutbox] == ["Thing 1", "Thing 2"]


def test_quiet_time_delays_all_notices(
    cast: Cast, sign_in, work, later, mailoutbox: list[EmailMessage]
) -> None:
    ada = sign_in(cast.ada)
    ada.post(PAGE, {"how": "at_once", "quiet": "1"})
    _notify_ada(cast, 1)
    _notify_ada(cast, 2)
    work()
    tell.digests()
    assert mailoutbox == []
    assert "It is quiet until" in ada.get(PAGE).content.decode()
    later(24 * 3600 + 60)
    tell.digests()
    assert [mail.subject for mail in mailoutbox] == ["Thing 1 and 1 more"]
    assert "It is quiet until" not in sign_in(cast.ada).get(PAGE).content.decode()


def test_preferences_are_personal(cast: Cast, sign_in, client) -> None:
    assert client.get(PAGE).status_code == 302
    for person in (cast.ada, cast.zoe, cast.cas):
        assert sign_in(person).get(PAGE).status_code == 200
    sign_in(cast.zoe).post(PAGE, {"how": "daily", "quiet": ""})
    assert [p.person for p in Preference.objects.all()] == [cast.zoe.user]
    assert sign_in(cast.zoe).post(PAGE, {"how": "hourly"}).status_code == 422


def test_issue_mailed_when_opened_and_solved(
    cast: Cast, work, mailoutbox: list[EmailMessage]
) -> None:
    acme = cast.ada.organization
    for _ in range(3):
        book.seen(acme, Issue.Cause.NO_SITE_ADMIN, **ISSUE)
    work()
    assert sorted(mail.to[0] for mail in mailoutbox) == [
        "ada@acme.example",
        "cas@portal.example",
        "ola@portal.example",
    ]
    mailoutbox.clear()
    book.solved(acme, Issue.Cause.NO_SITE_ADMIN, why="it was ticked")
    book.solved(acme, Issue.Cause.NO_SITE_ADMIN, why="it was ticked")
    work()
    assert len(mailoutbox) == 3
    assert all("Solved" in mail.subject for mail in mailoutbox)


def test_shared_outage_sends_one_mail_per_person(
    cast: Cast, work, mailoutbox: list[EmailMessage]
) -> None:
    for organization in (cast.ada.organization, cast.zoe.organization):
        book.seen(
            organization,
            Issue.Cause.WORKER_DEAD,
            **{**ISSUE, "fixer": Issue.Fixer.OPERATOR},
        )
    work()
    assert sorted(mail.to[0] for mail in mailoutbox) == [
        "cas@portal.example",
        "ola@portal.example",
    ]


def test_fyi_issues_are_not_mailed(cast: Cast) -> None:
    book.seen(cast.ada.organization, Issue.Cause.DRIFT, **{**ISSUE, "severity": Issue.Severity.FYI})
    assert not Notice.objects.exists()
