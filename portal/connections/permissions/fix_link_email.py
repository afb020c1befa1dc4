from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from django.conf import settings
from django.db.models import Q
from django.template.loader import render_to_string
from django.urls import reverse

from portal.accounts.models import User
from portal.connections.models import Credential, FixLink
from portal.connections.permissions.fix_links import SEND_EMAIL_TASK
from portal.core import links
from portal.core.secrets.secret_field import reveal_secret
from portal.notifications import delivery
from portal.notifications.message_queue import MessageQueue

MESSAGES = MessageQueue(
    model=FixLink,
    label="fix links",
    send_task=SEND_EMAIL_TASK,
    organization="connection__organization",
    prefix="email_",
    pending=Q(completed_at=None, revoked_at=None),
    cleared_field="token",
)


@dataclass(frozen=True)
class FixLinkEmail:
    subject: str
    text: str


def build_link_url(token: str) -> str:
    return f"{settings.PORTAL_URL}{reverse(links.FIX_LINK, args=[token])}"


def compose_email(
    credential: Credential,
    keys: Collection[str],
    *,
    address: str,
    until: datetime,
    by: User | None,
) -> FixLinkEmail:
    """Compose the email. It contains no secret."""
    catalogue, connection = credential.catalogue, credential.connection
    permissions = [p for p in catalogue.list_permissions(credential.kind) if p.key in keys]
    boxes = credential.list_checkboxes(permissions)
    context = {
        "organization": connection.organization,
        "checkbox_labels": boxes,
        "costs": [
            f.without_it
            for f in catalogue.get_disabled_features({p.key for p in permissions}, credential.kind)
        ],
        "place": credential.place,
        "address": address,
        "until": until,
        "by": by,
    }
    number = f"{len(boxes)} Greenhouse permission{'' if len(boxes) == 1 else 's'}"
    return FixLinkEmail(
        f"{connection.organization}: {number} to grant",
        render_to_string("connections/fix_link_email.txt", context).strip(),
    )


def send_email(link: FixLink) -> None:
    credential = link.connection.credential
    if credential is not None and link.is_open:
        MESSAGES.send_message(link, lambda: _send_link(link, credential))
    elif link.email_status == FixLink.EmailStatus.QUEUED:
        MESSAGES.give_up_message(link, "The link ended before it was sent.")


def _send_link(link: FixLink, credential: Credential) -> None:
    email = compose_email(
        credential,
        link.permissions,
        address=build_link_url(reveal_secret(link.token)),
        until=link.expires_at,
        by=link.created_by,
    )
    delivery.send_email(email.subject, email.text, link.sent_to)
