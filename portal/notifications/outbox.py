"""The outbox: what Django and allauth send during a request is stored and sent by a worker.

Content is encrypted, since it holds addresses and links with tokens, and deleted once the email is
sent or given up. A duplicate is better than none: retries keep their Message-ID.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import timedelta
from email.utils import make_msgid
from typing import Any

from django.core.mail import EmailMessage, EmailMultiAlternatives
from django.core.mail.backends.base import BaseEmailBackend
from django.core.mail.utils import DNS_NAME
from django.db import transaction
from django.utils import timezone

from integrations.ats.emails import normalize_email
from portal.accounts.models import User
from portal.core import queue, transitions
from portal.core.secrets.secret_field import SecretUnreadable, reveal_secret
from portal.core.tenancy.scope import all_organizations
from portal.notifications import delivery, recent_emails
from portal.notifications.models import OutgoingEmail

SEND_TASK = "portal.notifications.tasks.send_outgoing_email"
REQUEUE_AFTER = timedelta(minutes=1)
STALLED_AFTER = timedelta(minutes=10)
Status = OutgoingEmail.Status


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
    """Send a queued email; failures are retried with exponential backoff."""
    if email.due_at > timezone.now() or not transitions.try_move(
        email, Status.SENDING, why="a worker took it", attempts=email.attempts + 1
    ):
        return
    try:
        delivery.deliver_message(_deserialize_message(reveal_secret(email.content)))
    except SecretUnreadable:
        _mark_email_failed(email, "SecretUnreadable")
    except delivery.EmailNotSent as error:
        reason = error.reason
        if not delivery.requeue(email, email.attempts, reason, last_error=reason[:60]):
            _mark_email_failed(email, reason)
    else:
        transitions.try_move(
            email,
            Status.SENT,
            why="the mail server took it",
            sent_at=timezone.now(),
            content="",
            last_error="",
        )


def recover_lost_emails() -> None:
    """Queue emails that are due, and those whose worker died."""
    emails = OutgoingEmail.objects.all()
    transitions.move_stalled_rows(
        emails.filter(attempts__gte=delivery.MAX_ATTEMPTS),
        Status.SENDING,
        Status.FAILED,
        after=STALLED_AFTER,
        content="",
        last_error="its worker stopped responding",
    )
    transitions.move_stalled_rows(emails, Status.SENDING, Status.QUEUED, after=STALLED_AFTER)
    now = timezone.now()
    due = emails.filter(
        status=Status.QUEUED, due_at__lte=now, created_at__lt=now - REQUEUE_AFTER
    ).order_by("due_at")
    queue.requeue_lost_tasks(SEND_TASK, dict.fromkeys(due.values_list("pk", flat=True)[:200]))


def _mark_email_failed(email: OutgoingEmail, reason: str) -> None:
    transitions.try_move(email, Status.FAILED, why=reason, content="", last_error=reason[:60])


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
