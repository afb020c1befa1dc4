"""Taking a click: recorded once, held or put on the queue, never acted on here."""

from __future__ import annotations

import uuid
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import IntegrityError, transaction
from django.utils import timezone

from portal.accounts.models import Membership
from portal.applications.models import ApplicationAction
from portal.applications.offers import Offer, offer
from portal.applications.verbs import VERBS, Click, Ground
from portal.applications.verbs.base import differs, standing
from portal.core import queue
from portal.mirror.models import Application

Status = ApplicationAction.Status

SEND = "portal.applications.tasks.send"


class NotOffered(Exception):
    """The button is off for this person. `offer` says why."""

    def __init__(self, offer: Offer) -> None:
        self.offer = offer
        super().__init__(offer.why_not)


class StillBusy(Exception):
    """Another action on this application has not been settled yet."""


def request(
    membership: Membership, application: Application, click: Click, *, at: Ground
) -> ApplicationAction:
    """Record the click; it goes out at once, or is held where it can be taken back first.

    The same key again gives the same row back. Raises NotOffered or StillBusy.
    """
    offered = offer(application, at, click.kind)
    if offered.allowed and (why_not := VERBS[click.kind].out_of_reach(click.parameters, at)):
        offered = replace(offered, why_not=why_not)
    # From a stale screen it is no wrong click but a conflict, which Greenhouse and the card tell.
    stale = offered.by_state and differs(click.seen, application.seen_stage)
    if not offered.allowed and not stale:
        if earlier := _earlier(membership, application, click.key):
            return earlier
        raise NotOffered(offered)
    action = recorded(membership, application, click, at, due_at=_held_until(click))
    try:
        with transaction.atomic():
            action.save(force_insert=True)
            if action.status == Status.QUEUED:
                queue.enqueue(SEND, action.pk)
    except IntegrityError:
        if earlier := _earlier(membership, application, click.key):
            return earlier
        raise StillBusy from None
    return action


def _earlier(
    membership: Membership, application: Application, key: uuid.UUID
) -> ApplicationAction | None:
    return ApplicationAction.objects.filter(
        key=key, membership=membership, application=application
    ).first()


def _held_until(click: Click) -> datetime | None:
    """When it goes out; None: at once. Taking something back is never held."""
    setting = VERBS[click.kind].hold
    seconds = getattr(settings, setting) if setting and click.undoes is None else 0
    return timezone.now() + timedelta(seconds=seconds) if seconds else None


def recorded(
    membership: Membership,
    application: Application,
    click: Click,
    at: Ground,
    *,
    due_at: datetime | None,
    **more: Any,
) -> ApplicationAction:
    """The row of a click, not saved yet."""
    user = at.held.match.user
    now = timezone.now()
    return ApplicationAction(
        key=click.key,
        membership=membership,
        application=application,
        kind=click.kind,
        status=Status.HELD if due_at else Status.QUEUED,
        undoes=click.undoes,
        seen_stage_remote_id=click.seen.stage_id,
        seen_entry_id=click.seen.entry_id,
        seen_stage_name=click.seen_stage_name[:200],
        reason=click.reason,
        notes=click.notes,
        parameters=dict(click.parameters),
        before=standing(application),
        acting_user_remote_id=user.remote_id if user else None,
        as_service_account=at.acting.by_service_account,
        role_remote_id=at.role,
        queued_at=now,
        due_at=due_at,
        give_up_at=(due_at or now) + timedelta(minutes=settings.OUTBOX_PATIENCE_MINUTES),
        **more,
    )
