"""The letter to whoever manages Greenhouse: what to tick, where, and the link that shows it."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from smtplib import SMTPException

from django.conf import settings
from django.core.mail import send_mail
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone

from portal.accounts.models import User
from portal.connections.fix_links import SEND
from portal.connections.models import Connection, Credential, FixLink
from portal.core import queue, transitions
from portal.core.secrets import SecretUnreadable, revealed

SILENT_AFTER = timedelta(minutes=3)
GIVEN_UP_AFTER = timedelta(minutes=10)
Mail, State = FixLink.Mail, Connection.State


@dataclass(frozen=True)
class Letter:
    """Plain text, ready to be sent or copied."""

    subject: str
    text: str


def address_of(token: str) -> str:
    """Where a link's token leads."""
    return f"{settings.PORTAL_URL}{reverse('onboarding:fix', args=[token])}"


def letter(
    credential: Credential,
    keys: Collection[str],
    *,
    address: str,
    until: datetime,
    by: User | None,
) -> Letter:
    """What is to be ticked for this credential, what it costs, and where. Holds no secret."""
    catalogue, connection = credential.catalogue, credential.connection
    asked = [p for p in catalogue.for_kind(credential.kind) if p.key in keys]
    boxes = credential.boxes(asked)
    context = {
        "organization": connection.organization,
        "boxes": boxes,
        "costs": [f.off for f in catalogue.features_off({p.key for p in asked}, credential.kind)],
        "place": credential.place,
        "works": connection.state in {State.LIVE, State.DEGRADED},
        "address": address,
        "until": until,
        "by": by,
    }
    number = f"{len(boxes)} box{'' if len(boxes) == 1 else 'es'}"
    return Letter(
        f"{connection.organization}: {number} to tick in Greenhouse",
        render_to_string("connections/fix_mail.txt", context).strip(),
    )


def send(link: FixLink) -> None:
    """Send the letter. Returns at once when another worker has it, or when the link has ended."""
    credential = link.connection.credential
    if credential is None or not link.is_open:
        return
    if not transitions.won(link, Mail.SENDING, why="a worker took it", field="mail"):
        return
    try:
        told = letter(
            credential,
            link.permissions,
            address=address_of(revealed(link.link)),
            until=link.expires_at,
            by=link.made_by,
        )
        send_mail(told.subject, told.text, None, [link.sent_to])
    except (SMTPException, OSError, SecretUnreadable) as error:
        transitions.won(link, Mail.FAILED, why=type(error).__name__, field="mail", link="")
    else:
        transitions.won(link, Mail.SENT, why="the mail server took it", field="mail", link="")


def sweep() -> None:
    """Ask again for letters that were lost on the way to a worker; give up those lost with one."""
    transitions.give_up(
        FixLink.objects.all(),
        Mail.SENDING,
        Mail.FAILED,
        after=GIVEN_UP_AFTER,
        field="mail",
        link="",
    )
    lost = FixLink.objects.filter(
        mail=Mail.QUEUED,
        done_at=None,
        revoked_at=None,
        made_at__lt=timezone.now() - SILENT_AFTER,
    )
    for pk in lost.values_list("pk", flat=True)[:200]:
        queue.enqueue(SEND, pk)
