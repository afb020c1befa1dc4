"""Telling people: a row per person, a mail from the queue, each thing once."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from smtplib import SMTPException

from django.conf import settings
from django.core.mail import send_mail
from django.db import transaction
from django.template.loader import render_to_string
from django.utils import timezone

from portal.accounts.models import Membership, Organization, User
from portal.core import queue, transitions
from portal.notices.models import Notice

SEND = "portal.notices.tasks.send"
SILENT_AFTER = timedelta(minutes=3)
Status = Notice.Status


def admins(organization: Organization) -> list[User]:
    """The organization's admins who can sign in."""
    return list(
        User.objects.filter(
            is_active=True,
            memberships__organization=organization,
            memberships__role=Membership.Role.ADMIN,
        )
    )


def success() -> list[User]:
    """Customer success and everybody else who works in the admin."""
    return list(User.objects.filter(is_active=True, is_staff=True))


def tell(
    people: Iterable[User],
    organization: Organization,
    *,
    key: str,
    subject: str,
    words: str,
    path: str = "",
) -> list[Notice]:
    """Tell each of the people once per `key`; gives the notices that are new.

    `words` are plain text and hold no secret; `path` is where to go on, in the portal.
    """
    people = list(people)
    with transaction.atomic():
        told = set(
            Notice.objects.filter(to__in=people, key=key[:120]).values_list("to_id", flat=True)
        )
        new = Notice.objects.bulk_create(
            (
                Notice(
                    organization=organization,
                    to=person,
                    key=key[:120],
                    subject=subject[:160],
                    words=words,
                    path=path,
                )
                for person in people
                if person.pk not in told
            ),
            ignore_conflicts=True,
        )
        # Rows that met a conflict have no key of their own: look the new ones up.
        kept = Notice.objects.filter(
            key=key[:120], to__in=[n.to_id for n in new], status=Status.QUEUED
        )
        notices = list(kept)
        for notice in notices:
            queue.enqueue(SEND, notice.pk)
    return notices


def send(notice: Notice) -> None:
    """Send one queued notice by mail. Returns at once when another worker has it."""
    if not transitions.won(notice, Status.SENDING, why="a worker took it"):
        return
    body = render_to_string(
        "notices/mail.txt", {"notice": notice, "portal_url": settings.PORTAL_URL}
    )
    try:
        send_mail(notice.subject, body, None, [notice.to.email])
    except (SMTPException, OSError) as error:
        transitions.won(notice, Status.FAILED, why=type(error).__name__)
        return
    transitions.won(notice, Status.SENT, why="the mail server took it", sent_at=timezone.now())


def sweep() -> None:
    """Ask again for notices that were lost on the way to a worker."""
    lost = Notice.objects.filter(status=Status.QUEUED, created_at__lt=timezone.now() - SILENT_AFTER)
    for pk in lost.values_list("pk", flat=True)[:200]:
        queue.enqueue(SEND, pk)
