from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone

from portal.accounts.models import User
from portal.connections.models import Connection, Credential, FixLink
from portal.connections.permissions.fix_links import SEND_EMAIL_TASK
from portal.core import links, queue, transitions
from portal.core.secrets.secret_field import SecretUnreadable, reveal_secret
from portal.notifications import delivery

REQUEUE_AFTER = timedelta(minutes=3)
SEND_TIMEOUT = timedelta(minutes=10)
EmailStatus, State = FixLink.EmailStatus, Connection.State


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
    if credential is None or not link.is_open:
        return
    if not transitions.try_move(
        link, EmailStatus.SENDING, why="a worker took it", field="email_status"
    ):
        return
    try:
        email = compose_email(
            credential,
            link.permissions,
            address=build_link_url(reveal_secret(link.token)),
            until=link.expires_at,
            by=link.created_by,
        )
        delivery.send_email(email.subject, email.text, link.sent_to)
    except SecretUnreadable:
        _mark_email_failed(link, "SecretUnreadable")
    except delivery.EmailNotSent as error:
        if not delivery.requeue(link, link.email_attempts + 1, error.reason, prefix="email_"):
            _mark_email_failed(link, error.reason)
    else:
        transitions.try_move(
            link, EmailStatus.SENT, why="the mail server took it", field="email_status", token=""
        )


def _mark_email_failed(link: FixLink, reason: str) -> None:
    transitions.try_move(link, EmailStatus.FAILED, why=reason, field="email_status", token="")


def retry_lost_emails() -> None:
    """Requeue emails that are due or whose task was lost, and fail those whose worker died."""
    transitions.move_stalled_rows(
        FixLink.objects.all(),
        EmailStatus.SENDING,
        EmailStatus.FAILED,
        after=SEND_TIMEOUT,
        field="email_status",
        token="",
    )
    now = timezone.now()
    lost = FixLink.objects.filter(
        email_status=EmailStatus.QUEUED,
        completed_at=None,
        revoked_at=None,
        created_at__lt=now - REQUEUE_AFTER,
        email_due_at__lte=now,
    )
    rows = lost.values_list("pk", "connection__organization_id")[:200]
    queue.requeue_lost_tasks(SEND_EMAIL_TASK, dict(rows))


def give_up_restored_links() -> str:
    """Send no fix link of a restored backup: it may have been sent since."""
    count = transitions.fail_unsent_rows(
        FixLink.objects.all(), EmailStatus.QUEUED, field="email_status", token=""
    )
    return f"{count} fix links were given up."
