"""Telling people: a row per person, a mail from the queue, each thing once.

What waits for one person leaves in one mail. Whoever wants it once a day, or asked for quiet, is
told by the digest: nothing is lost.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from smtplib import SMTPException

from django.conf import settings
from django.core.mail import send_mail
from django.db import transaction
from django.db.models import Q
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone

from portal.accounts.models import Membership, Organization, User
from portal.core import queue, transitions
from portal.notices.models import Notice, Preference

SEND = "portal.notices.tasks.send"
SILENT_AFTER = timedelta(minutes=3)
GIVEN_UP_AFTER = timedelta(minutes=10)
A_DAY = timedelta(hours=23)  # an hour less, so that the hourly look does not drift
Status = Notice.Status


def admins(organization: Organization) -> list[User]:
    """The organization's admins who can sign in."""
    return list(
        User.objects.filter(
            is_active=True,
            memberships__organization=organization,
            memberships__role=Membership.Role.ADMIN,
            memberships__ended_at=None,
        )
    )


def success() -> list[User]:
    """Customer success and everybody else who works in the admin."""
    return list(User.objects.filter(is_active=True, is_staff=True))


def desk_of(organization: Organization) -> str:
    """Where our own staff goes on: a customer's pages are not theirs to open."""
    return reverse("admin:accounts_organization_desk", args=[organization.pk])


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
    hold = {p.person_id for p in Preference.objects.filter(person__in=people) if p.holds}
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
                    status=Status.HELD if person.pk in hold else Status.QUEUED,
                )
                for person in people
                if person.pk not in told
            ),
            ignore_conflicts=True,
        )
        # Rows that met a conflict have no key of their own: look the new ones up.
        kept = Notice.objects.filter(
            key=key[:120],
            to__in=[n.to_id for n in new],
            status__in=(Status.QUEUED, Status.HELD),
        )
        notices = list(kept)
        for notice in notices:
            if notice.status == Status.QUEUED:
                queue.enqueue(SEND, notice.pk)
    return notices


def send(notice: Notice) -> None:
    """Send a queued notice by mail, and with it what else waits for the same person.

    Returns at once when another worker has it.
    """
    if not transitions.won(notice, Status.SENDING, why="a worker took it"):
        return
    others = Notice.objects.filter(to=notice.to, status=Status.QUEUED).exclude(pk=notice.pk)
    taken = [
        other
        for other in others.select_related("organization").order_by("pk")[:50]
        if transitions.won(other, Status.SENDING, why="it leaves with another one")
    ]
    _mail(notice.to, [notice, *taken])


def digests() -> None:
    """Send what was held to everybody whose time has come."""
    now = timezone.now()
    due = (
        Preference.objects.filter(Q(quiet_until=None) | Q(quiet_until__lte=now))
        .filter(
            Q(how=Preference.How.AT_ONCE) | Q(digest_at=None) | Q(digest_at__lte=now - A_DAY),
            person__notices__status=Status.HELD,
        )
        .select_related("person")
        .distinct()
    )
    for preference in due:
        held = Notice.objects.filter(to=preference.person, status=Status.HELD)
        taken = [
            notice
            for notice in held.select_related("organization").order_by("pk")[:200]
            if transitions.won(notice, Status.SENDING, why="the digest leaves")
        ]
        if taken:
            Preference.objects.filter(pk=preference.pk).update(digest_at=now)
            _mail(preference.person, taken)


def _mail(person: User, notices: list[Notice]) -> None:
    first = notices[0]
    more = len(notices) - 1
    subject = f"{first.subject} and {more} more" if more else first.subject
    body = render_to_string(
        "notices/mail.txt",
        {"person": person, "notices": notices, "portal_url": settings.PORTAL_URL},
    )
    try:
        send_mail(subject, body, None, [person.email])
    except (SMTPException, OSError) as error:
        for notice in notices:
            transitions.won(notice, Status.FAILED, why=type(error).__name__)
        return
    for notice in notices:
        transitions.won(notice, Status.SENT, why="the mail server took it", sent_at=timezone.now())


def sweep() -> None:
    """Ask again for notices that were lost on the way to a worker; give up those lost with one."""
    transitions.give_up(Notice.objects.all(), Status.SENDING, Status.FAILED, after=GIVEN_UP_AFTER)
    lost = Notice.objects.filter(status=Status.QUEUED, created_at__lt=timezone.now() - SILENT_AFTER)
    for pk in lost.values_list("pk", flat=True)[:200]:
        queue.enqueue(SEND, pk)
