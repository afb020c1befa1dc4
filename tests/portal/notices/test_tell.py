"""People are told each thing once, by mail."""

from collections.abc import Callable
from typing import Any

from django.core.mail import EmailMessage

from portal.core import transitions
from portal.notices import tasks, tell
from portal.notices.models import Notice
from tests.cast import Cast

TOLD: dict[str, Any] = {
    "key": "setup-done:1",
    "subject": "Greenhouse is connected",
    "words": "Your requisitions are ready.",
    "path": "/requisitions/",
}


def test_each_is_told_once_by_mail(
    cast: Cast, work: Callable[[], int], mailoutbox: list[EmailMessage]
) -> None:
    acme = cast.ada.organization
    assert [n.to for n in tell.tell(tell.admins(acme), acme, **TOLD)] == [cast.ada.user]
    assert tell.tell(tell.admins(acme), acme, **TOLD) == []
    work()
    [mail] = mailoutbox
    assert mail.to == ["ada@acme.example"]
    assert "Your requisitions are ready." in mail.body
    assert "/requisitions/" in mail.body
    assert Notice.objects.get().status == Notice.Status.SENT


def test_a_task_that_comes_twice_sends_one_mail(
    cast: Cast, work: Callable[[], int], mailoutbox: list[EmailMessage]
) -> None:
    acme = cast.ada.organization
    [notice] = tell.tell([cast.ada.user], acme, **TOLD)
    work()
    tell.send(notice)
    assert len(mailoutbox) == 1


def test_a_mail_whose_worker_died_is_given_up(
    cast: Cast, later: Callable[[float], None], mailoutbox: list[EmailMessage]
) -> None:
    acme = cast.ada.organization
    [notice] = tell.tell([cast.ada.user], acme, **TOLD)
    transitions.move(notice, "sending", why="a worker took it")
    later(9 * 60)
    tasks.sweep()
    assert Notice.objects.get().status == Notice.Status.SENDING
    later(2 * 60)
    tasks.sweep()
    assert Notice.objects.get().status == Notice.Status.FAILED
    assert mailoutbox == []


def test_customer_success_hears_of_every_customer(cast: Cast) -> None:
    assert {u.email for u in tell.success()} == {"cas@portal.example", "ola@portal.example"}
