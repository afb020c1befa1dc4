"""The link for the colleague who manages Greenhouse: made, tested with, ended."""

from __future__ import annotations

from collections.abc import Collection
from datetime import timedelta

from django.db import transaction
from django.db.models import F, Q
from django.utils import timezone

from integrations.ats.permissions import Origin, Outcome, Permission
from portal.accounts.models import User
from portal.connections.models import CheckRun, Connection, Credential, FixLink
from portal.core import queue
from portal.core.links import digest, new_token
from portal.notices import tell

SEND = "portal.connections.tasks.send_link"
LASTS = timedelta(days=7)
MOST_TESTS = 120
AT_LEAST_APART = timedelta(seconds=10)
MOST_OPEN = 5


class Enough(Exception):
    """Not tested: too soon, or too often. `sentence` says what to do."""

    def __init__(self, sentence: str) -> None:
        self.sentence = sentence
        super().__init__(sentence)


def to_ask_for(credential: Credential) -> list[Permission]:
    """What the newest finished check found missing; the optional where nothing else is."""
    check = credential.checks.filter(status=CheckRun.Status.DONE).first()
    if check is None:
        return []
    lost = set(check.results.filter(outcome=Outcome.MISSING).values_list("permission", flat=True))
    missing = [p for p in credential.catalogue.for_kind(credential.kind) if p.key in lost]
    return [p for p in missing if p.origin != Origin.OPTIONAL] or missing


def make(
    connection: Connection, keys: Collection[str], *, by: User, send_to: str = ""
) -> tuple[FixLink, str]:
    """A link about these permissions, and its token, which is told this once only.

    With `send_to` a worker sends it to that address (portal.connections.fix_mail).
    Raises Enough when as many links are open as one needs.
    """
    if still_open(connection).count() >= MOST_OPEN:
        raise Enough("There are five open links already. Take one back first.")
    token = new_token()
    with transaction.atomic():
        link = FixLink.objects.create(
            connection=connection,
            digest=digest(token),
            permissions=sorted(keys),
            made_by=by,
            expires_at=timezone.now() + LASTS,
            sent_to=send_to,
            link=token if send_to else "",
            mail=FixLink.Mail.QUEUED if send_to else FixLink.Mail.NONE,
        )
        if send_to:
            queue.enqueue(SEND, link.pk)
    return link, token


def still_open(connection: Connection):  # type: ignore[no-untyped-def]  # a queryset
    """The connection's links that work."""
    return connection.fix_links.filter(done_at=None, revoked_at=None, expires_at__gt=timezone.now())


def find(token: str) -> FixLink | None:
    """The link of this token, ended or not."""
    return (
        FixLink.objects.select_related("connection__organization")
        .filter(digest=digest(token))
        .first()
    )


def opened(link: FixLink) -> None:
    """Somebody looks at it; the first time is remembered."""
    FixLink.objects.filter(pk=link.pk, opened_at=None).update(opened_at=timezone.now())


def revoke(link: FixLink) -> bool:
    """Take it back. False when it had ended before."""
    pending = FixLink.objects.filter(pk=link.pk, done_at=None, revoked_at=None)
    return bool(pending.update(revoked_at=timezone.now(), link=""))


def count_test(link: FixLink) -> None:
    """Count one test with this link. Raises Enough, told by the row, whoever else is testing."""
    now = timezone.now()
    free = FixLink.objects.filter(pk=link.pk, tests__lt=MOST_TESTS).filter(
        Q(tested_at=None) | Q(tested_at__lte=now - AT_LEAST_APART)
    )
    if free.update(tests=F("tests") + 1, tested_at=now):
        return
    if FixLink.objects.filter(pk=link.pk, tests__gte=MOST_TESTS).exists():
        raise Enough("This link was tested very often. Ask for a new one, please.")
    raise Enough("It was tested just now. Please wait ten seconds.")


def settle(check: CheckRun) -> None:
    """End the links of which everything is granted, and tell who waits for it."""
    found = dict(check.results.values_list("permission", "outcome"))
    for link in still_open(check.connection):
        asked = [found[key] for key in link.permissions if key in found]
        if asked and all(outcome == Outcome.GRANTED for outcome in asked):
            _end(link)


def _end(link: FixLink) -> None:
    pending = FixLink.objects.filter(pk=link.pk, done_at=None, revoked_at=None)
    if not pending.update(done_at=timezone.now(), link=""):
        return
    organization = link.connection.organization
    told = {
        "key": f"fix-link:{link.pk}",
        "subject": f"{organization}: everything is ticked in Greenhouse",
        "words": "What was asked for with a link is ticked in Greenhouse now. The link has ended.",
    }
    tell.tell(tell.admins(organization), organization, path="/set-up/permissions/", **told)
    tell.tell(tell.success(), organization, path=tell.desk_of(organization), **told)
