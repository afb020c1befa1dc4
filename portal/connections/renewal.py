"""Keeping consents alive: each is renewed long before its day is over, and what cannot be is said.

A connection that is used renews its access each hour anyway. This is for those that are not, and it
is what notices in time that something is wrong.
"""

from __future__ import annotations

from datetime import timedelta

from django.utils import timezone

from integrations.ats.errors import AtsError
from integrations.ats.wiring import Lane
from portal.connections import drift, partner
from portal.connections.chains import StoredChain
from portal.connections.models import Consent
from portal.connections.open import wiring_for
from portal.core import queue
from portal.core.secrets import SecretUnreadable
from portal.issues import book
from portal.issues.models import Issue
from portal.notices import tell

State = Consent.State
RENEW = "portal.connections.tasks.renew"
# Of a day: renewed when six hours have gone, told when six are left.
AHEAD = timedelta(hours=18)
TELL = timedelta(hours=6)
AT_ONCE = 50  # a round's; they share one application and its token limit
CAUSE = Issue.Cause.CONSENT_ENDING


def due() -> list[int]:
    """Consents that are to be renewed, the most urgent first."""
    soon = timezone.now() + AHEAD
    living = Consent.objects.filter(state=State.LIVING, refresh_until__lt=soon)
    return list(living.order_by("refresh_until").values_list("pk", flat=True)[:AT_ONCE])


def renew_due() -> None:
    """Ask for each that is due. One that is asked for twice is renewed once."""
    if partner.is_on():
        for pk in due():
            queue.enqueue(RENEW, pk)


def renew(consent_id: int) -> None:
    """Renew one, unless that was done meanwhile or somebody is at it."""
    consent = Consent.objects.select_related("connection__organization").get(pk=consent_id)
    application = partner.partner()
    if not consent.is_living or application is None:
        return
    if consent.refresh_until >= timezone.now() + AHEAD:
        return
    wiring = wiring_for(consent.connection, Lane.SYNC)
    try:
        partner.door().renew(wiring, application, StoredChain(consent.pk), number=consent.number)
    except (AtsError, SecretUnreadable):
        consent.refresh_from_db()
        if consent.is_living:
            _say_when_late(consent)
        return
    settle(consent)


def settle(consent: Consent) -> None:
    """It was renewed, or replaced: nothing is about to end any more."""
    if consent.credential_id:
        book.solved(consent.connection.organization, CAUSE, why="the consent was renewed")


def _say_when_late(consent: Consent) -> None:
    """An issue while there are hours left in which somebody can act."""
    left = consent.refresh_until - timezone.now()
    if consent.credential_id is None or left > TELL:
        return
    organization = consent.connection.organization
    issue, new = book.seen(
        organization,
        CAUSE,
        title="The consent in Greenhouse ends soon",
        words="It could not be renewed, and Greenhouse lets it end at "
        f"{consent.refresh_until:%H:%M} UTC. We keep trying. To be sure, an admin connects again "
        "in Set-up: one click, and everything that was read stays.",
        severity=Issue.Severity.MUST_ACT,
        fixer=Issue.Fixer.ADMIN,
        still_works="Until then everything works as before.",
        facts={"consent": consent.pk},
    )
    if new:
        tell.tell(
            {*tell.admins(organization), *tell.success()},
            organization,
            key=f"issue:{issue.pk}",
            subject=issue.title,
            words=issue.words,
            path="/set-up/credential/",
        )


def lost(consent_id: int) -> None:
    """Greenhouse no longer takes it: a check says so, or the person is told whose it was."""
    consent = Consent.objects.select_related(
        "connection__organization", "credential", "membership__user"
    ).get(pk=consent_id)
    if consent.credential is not None:
        settle(consent)  # it has ended: that is another issue, which the check opens
        if consent.credential.state == consent.credential.State.IN_USE:
            drift.look(consent.connection)
    elif consent.membership is not None:
        tell.tell(
            {consent.membership.user},
            consent.connection.organization,
            key=f"consent-lost:{consent.pk}",
            subject="Your own consent in Greenhouse has ended",
            words="The portal can no longer act in Greenhouse in your name. Give your consent "
            "again to go on; it takes one click.",
            path="/account/greenhouse/",
        )
