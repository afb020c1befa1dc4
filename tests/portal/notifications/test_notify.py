"""Notices are mailed once per person."""

from collections.abc import Callable
from typing import Any

from django.core.mail import EmailMessage

from portal.core import transitions
from portal.notifications import notify, tasks
from portal.notifications.models import Notification
from tests.personas import Personas

NOTICE: dict[str, Any] = {
    "key": "setup-done:1",
    "subject": "Greenhouse is connected",
    "body": "Your requisitions are ready.",
    "path": "/requisitions/",
}


def test_notice_mailed_once_to_each_person(
    personas: Personas, run_tasks: Callable[[], int], mailoutbox: list[EmailMessage]
) -> None:
    acme = personas.ada.organization
    assert [n.recipient for n in notify.notify_users(notify.list_admins(acme), acme, **NOTICE)] == [
        personas.ada.user
    ]
    assert notify.notify_users(notify.list_admins(acme), acme, **NOTICE) == []
    run_tasks()
    [mail] = mailoutbox
    assert mail.to == ["ada@acme.example"]
    assert "Your requisitions are ready." in mail.body
    assert "/requisitions/" in mail.body
    assert Notification.objects.get().status == Notification.Status.SENT


def test_duplicate_task_sends_one_mail(
    personas: Personas, run_tasks: Callable[[], int], mailoutbox: list[EmailMessage]
) -> None:
    acme = personas.ada.organization
    [notice] = notify.notify_users([personas.ada.user], acme, **NOTICE)
    run_tasks()
    notify.send_notification(notice)
    assert len(mailoutbox) == 1


def test_interrupted_mail_is_given_up(
    personas: Personas, advance_clock: Callable[[float], None], mailoutbox: list[EmailMessage]
) -> None:
    acme = personas.ada.organization
    [notice] = notify.notify_users([personas.ada.user], acme, **NOTICE)
    transitions.move_state(notice, "sending", why="a worker took it")
    advance_clock(9 * 60)
    tasks.recover_lost_messages()
    assert Notification.objects.get().status == Notification.Status.SENDING
    advance_clock(2 * 60)
    tasks.recover_lost_messages()
    assert Notification.objects.get().status == Notification.Status.FAILED
    assert mailoutbox == []


def test_staff_are_chosen_by_role(personas: Personas) -> None:
    assert notify.list_staff("help_customer") == [personas.cas]
    assert notify.list_operators() == [personas.ola]
