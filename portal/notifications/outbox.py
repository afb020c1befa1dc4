"""The outbox: what Django and allauth send during a request is stored and sent by a worker.

Content is encrypted, since it holds addresses and links with tokens, and deleted once the email is
sent or given up. A duplicate is better than none: retries keep their Message-ID.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from email.utils import make_msgid
from typing import Any

from django.core.mail import EmailMessage, EmailMultiAlternatives
from django.core.mail.backends.base import BaseEmailBackend
from django.core.mail.utils import DNS_NAME
from django.db import transaction

from integrations.ats.emails import normalize_email
from portal.accounts.models import User
from portal.core import queue
from portal.core.secrets.secret_field import reveal_secret
from portal.core.tenancy.scope import all_organizations
from portal.notifications import delivery, recent_emails
from portal.notifications.message_queue import MessageQueue
from portal.notifications.models import OutgoingEmail

SEND_TASK = "portal.notifications.tasks.send_outgoing_email"
MESSAGES = MessageQueue(
    model=OutgoingEmail,
    label="sign-in emails",
    send_task=SEND_TASK,
    organization="",
    cleared_field="content",
    repeats_lost=True,
)


class EmailBackend(BaseEmailBackend):
    """EMAIL_BACKEND: stores messages instead of sending them."""

    def send_messages(self, email_messages: Sequence[EmailMessage]) -> int:
        messages = [message for message in email_messages if message.recipients()]
        with transaction.atomic():
            for message in messages:
                store_message(message)
        return len(messages)


def store_message(message: EmailMessage) -> OutgoingEmail:
    """Store a message to be sent after the current transaction. Raises ValueError for
    attachments.
    """
    recipient = _find_recipient(message)
    email = OutgoingEmail.objects.create(
        recipient=recipient,
        kind=str(getattr(message, "kind", ""))[:60],
        content=_serialize_message(message),
    )
    queue.enqueue_task(SEND_TASK, email.pk, organization_id=_find_organization_id(recipient))
    recent_emails.remember_email(email)
    return email


def send_outgoing_email(email: OutgoingEmail) -> None:
    def send() -> None:
        delivery.deliver_message(_deserialize_message(reveal_secret(email.content)))

    MESSAGES.send_message(email, send)


def _find_recipient(message: EmailMessage) -> User | None:
    addresses = message.recipients()
    if len(addresses) != 1:
        return None
    return User.objects.filter(email=normalize_email(addresses[0])).first()


@all_organizations("the recipient's membership names the organization")
def _find_organization_id(recipient: User | None) -> int | None:
    if recipient is None:
        return None
    memberships = recipient.memberships.order_by("pk")
    organization_id: int | None = memberships.values_list("organization_id", flat=True).first()
    return organization_id


def _serialize_message(message: EmailMessage) -> str:
    if message.attachments:
        raise ValueError("The outbox stores no attachments")
    return json.dumps(
        {
            "subject": str(message.subject),
            "body": str(message.body),
            "from_email": message.from_email,
            "to": list(message.to),
            "cc": list(message.cc),
            "bcc": list(message.bcc),
            "reply_to": list(message.reply_to),
            "headers": {"Message-ID": make_msgid(domain=str(DNS_NAME)), **message.extra_headers},
            "subtype": message.content_subtype,
            "alternatives": [list(part) for part in getattr(message, "alternatives", ())],
        }
    )


def _deserialize_message(content: str) -> EmailMessage:
    fields: dict[str, Any] = json.loads(content)
    subtype, alternatives = fields.pop("subtype"), fields.pop("alternatives")
    message = EmailMultiAlternatives(**fields)
    message.content_subtype = subtype
    for text, mimetype in alternatives:
        message.attach_alternative(text, mimetype)
    return message
