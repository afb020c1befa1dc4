from __future__ import annotations

from portal.core.tenancy.scope import all_organizations
from portal.notifications import chat, notify, outbox
from portal.notifications.models import ChatMessage, Notification, OutgoingEmail


def send_notification(notice_id: int) -> None:
    notify.send_notification(
        Notification.objects.select_related("recipient", "organization").get(pk=notice_id)
    )


def send_chat_message(post_id: int) -> None:
    chat.send_message(ChatMessage.objects.select_related("organization").get(pk=post_id))


@all_organizations("also for people of no organization")
def send_outgoing_email(email_id: int) -> None:
    # None: erased with its recipient.
    email = OutgoingEmail.objects.filter(pk=email_id).first()
    if email is not None:
        outbox.send_outgoing_email(email)


@all_organizations("sweeps all customers")
def recover_lost_messages() -> None:
    for module in (notify, outbox, chat):
        module.MESSAGES.recover_lost()


@all_organizations("collects the digests of all customers")
def send_digests() -> None:
    notify.send_digests()


SCHEDULES = {  # minutes
    recover_lost_messages: 1,
    send_digests: 60,
}
