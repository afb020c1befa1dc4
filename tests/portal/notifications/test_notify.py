"""Notices are mailed once per person."""

from collections import Counter
from collections.abc import Callable
from typing import Any
from unittest.mock import patch

from django.core.mail import EmailMessage

from portal.core import transitions
from portal.core.models import QueuedTask
from portal.notifications import message_queue, notify, tasks
from portal.notifications.models import Notification, Preference
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


def test_deactivated_person_gets_no_mail(
    personas: Personas, run_tasks: Callable[[], int], mailoutbox: list[EmailMessage]
) -> None:
    """Deactivated after the event, before its email or digest is sent."""
    acme, ada = personas.ada.organization, personas.ada.user
    notify.notify_users([ada], acme, **NOTICE)
    Preference.objects.create(user=ada, frequency=Preference.Frequency.DAILY)
    notify.notify_users([ada], acme, **NOTICE | {"key": "setup-done:2"})
    ada.is_active = False
    ada.save()
    run_tasks()
    tasks.send_digests()
    assert mailoutbox == []


def test_waiting_tasks_of_one_customer_hide_no_lost_one(
    personas: Personas, advance_clock: Callable[[float], None]
) -> None:
    acme, other = personas.ada.organization, personas.zoe.organization
    for number in range(3):
        notify.notify_users([personas.ada.user], acme, **NOTICE | {"key": f"event:{number}"})
    [lost] = notify.notify_users([personas.zoe.user], other, **NOTICE)
    QueuedTask.objects.filter(arguments=str(lost.pk)).delete()
    advance_clock(2 * 60)
    with patch.object(message_queue, "MAX_REQUEUED", 3):
        tasks.recover_lost_messages()
    tasks_by_id = Counter(QueuedTask.objects.values_list("arguments", flat=True))
    assert tasks_by_id == {str(row.pk): 1 for row in Notification.objects.all()}


def test_staff_are_chosen_by_role(personas: Personas) -> None:
    assert notify.list_staff("help_customer") == [personas.cas]
    assert notify.list_operators() == [personas.ola]
