"""Notices are mailed once per person."""

from collections.abc import Callable
from typing import Any

from django.core.mail import EmailMessage

from portal.core import transitions
from portal.notices import tasks, tell
from portal.notices.models import Notice
from tests.cast import Cast

NOTICE: dict[str, Any] = {
    "key": "setup-done:1",
    "subject": "Greenhouse is connected",
    "words": "Your requisitions are ready.",
    "path": "/requisitions/",
}


def test_notice_mailed_once_to_each_person(
    cast: Cast, work: Callable[[], int], mailoutbox: list[EmailMessage]
) -> None:
    acme = cast.ada.organization
    assert [n.to for n in tell.tell(tell.admins(acme), acme, **NOTICE)] == [cast.ada.user]
    assert tell.tell(tell.admins(acme), acme, **NOTICE) == []
    work()
    [mail] = mailoutbox
    assert mail.to == ["ada@acme.example"]
    assert "Your requisitions are ready." in mail.body
    assert "/requisitions/" in mail.body
    assert Notice.objects.get().status == Notice.Status.SENT


def test_duplicate_task_sends_one_mail(
    cast: Cast, work: Callable[[], int], mailoutbox: list[EmailMessage]
) -> None:
    acme = cast.ada.organization
    [notice] = tell.tell([cast.ada.user], acme, **NOTICE)
    work()
    tell.send(notice)
    assert len(mailoutbox) == 1


def test_interrupted_mail_is_given_up(
    cast: Cast, later: Callable[[float], None], mailoutbox: list[EmailMessage]
) -> None:
    acme = cast.ada.organization
    [notice] = tell.tell([cast.ada.user], acme, **NOTICE)
    transitions.move(notice, "sending", why="a worker took it")
    later(9 * 60)
    tasks.sweep()
    assert Notice.objects.get().status == Notice.Status.SENDING
    later(2 * 60)
    tasks.sweep()
    assert Notice.objects.get().status == Notice.Status.FAILED
    assert mailoutbox == []


def test_staff_are_notified_of_every_customer(cast: Cast) -> None:
    assert {u.email for u in tell.success()} == {"cas@portal.example", "ola@portal.example"}
