"""Doing what a person clicked: once, in their own name, and telling truly what came of it.

*queued → sending → done | refused | conflict | failed | unknown*, and
*unknown → done | conflict | failed* once Greenhouse could be read again.
"""

from __future__ import annotations

import uuid
from contextlib import closing
from dataclasses import dataclass
from datetime import timedelta

import msgspec
from django.db import IntegrityError, transaction
from django.utils import timezone

from integrations.ats import errors
from integrations.ats.errors import AtsError
from integrations.ats.port import Provider
from integrations.ats.types import ApplicationStatus, Receipt, SeenStage
from integrations.ats.wiring import Lane
from portal.accounts.models import Membership
from portal.applications.models import ApplicationAction
from portal.applications.offers import is_last_stage, last_order, offer
from portal.connections.models import Connection, Credential
from portal.connections.open import open_provider
from portal.core import queue, transitions
from portal.core.secrets import SecretUnreadable
from portal.entitlements.rules import Rights, rights, visible_applications
from portal.mirror import write
from portal.mirror.models import Application, RejectionReason
from portal.mirror.sync import refresh_application

Status = ApplicationAction.Status
Kind = ApplicationAction.Kind

SEND = "portal.applications.tasks.send"
SETTLE = "portal.applications.tasks.settle"
# A worker needs seconds; after this long it is gone and the row is asked for again.
SILENT_AFTER = timedelta(minutes=3)
# A write whose answer was lost may still be on its way: only after this long "not there" is "no".
STILL_UNDERWAY = timedelta(seconds=30)


class NotOffered(Exception):
    """The button is off for this person. `why_not` says why."""

    def __init__(self, why_not: str) -> None:
        self.why_not = why_not
        super().__init__(why_not)


class StillBusy(Exception):
    """Another action on this application has not been settled yet."""


@dataclass(frozen=True, kw_only=True)
class Click:
    """What the person asked for, and what they had on screen then."""

    key: uuid.UUID
    kind: str
    seen: SeenStage
    seen_stage_name: str = ""
    reason: RejectionReason | None = None
    notes: str = ""


def request(
    membership: Membership, application: Application, click: Click, *, held: Rights
) -> ApplicationAction:
    """Record the click and put it on the queue. The same key again gives the same row back.

    Raises NotOffered or StillBusy.
    """
    if earlier := _earlier(membership, application, click.key):
        return earlier
    if why_not := _why_not(application, held, click.kind):
        raise NotOffered(why_not)
    try:
        with transaction.atomic():
            action = _record(membership, application, click, held)
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


def _record(
    membership: Membership, application: Application, click: Click, held: Rights
) -> ApplicationAction:
    user = held.match.user
    return ApplicationAction.objects.create(
        key=click.key,
        membership=membership,
        application=application,
        kind=click.kind,
        seen_stage_remote_id=click.seen.stage_id,
        seen_entry_id=click.seen.entry_id,
        seen_stage_name=click.seen_stage_name[:200],
        reason=click.reason,
        notes=click.notes,
        acting_user_remote_id=user.remote_id if user else None,
    )


def send(action: ApplicationAction) -> None:
    """Send one queued action. Returns at once when another worker has it."""
    if not transitions.won(action, Status.SENDING, why="a worker took it", sent_at=timezone.now()):
        return
    held = rights(action.membership)
    if why := _no_longer_allowed(action, held):
        _settle(action, Status.FAILED, why)
        return
    credential = _credential(action)
    try:
        if credential is None:
            raise SecretUnreadable
        with closing(open_provider(credential, lane=Lane.PEOPLE)) as provider:
            _send_with(provider, action)
    except SecretUnreadable:
        _settle(action, Status.FAILED, "The Greenhouse credential must be entered again.")


def _no_longer_allowed(action: ApplicationAction, held: Rights) -> str:
    """Checked again at the moment of sending: rights may have gone since the click."""
    application = (
        visible_applications(action.membership, held=held)
        .select_related("stage")
        .filter(pk=action.application_id)
        .first()
    )
    if application is None:
        return "You can no longer see this application in Greenhouse, so nothing was sent."
    return _why_not(application, held, action.kind)


def _why_not(application: Application, held: Rights, kind: str) -> str:
    """Why the action of this kind is off now; "" when it is allowed."""
    last = kind == Kind.ADVANCE and is_last_stage(application, last_order(application.job_id or 0))
    return offer(application, held, kind, last_stage=last).why_not


def _credential(action: ApplicationAction) -> Credential | None:
    return action.application.connection.credential


def _send_with(provider: Provider, action: ApplicationAction) -> None:
    try:
        receipt = _write(provider, action)
    except AtsError as error:
        _not_done(provider, action, error)
        return
    _mirror(action, receipt)
    _settle(action, Status.DONE, _DONE_WORDS[Kind(action.kind)])


_DONE_WORDS = {
    Kind.ADVANCE: "Advanced in Greenhouse.",
    Kind.REJECT: "Rejected in Greenhouse.",
}


def _write(provider: Provider, action: ApplicationAction) -> Receipt:
    remote_id = action.application.remote_id
    acting = action.acting_user_remote_id or 0
    if action.kind == Kind.ADVANCE:
        return provider.advance(remote_id, seen=action.seen, acting_user_id=acting)
    reason = action.reason
    if reason is None:
        raise errors.Invalid({"rejection_reason_id": "missing"}, "Choose a reason, please.")
    return provider.reject(
        remote_id,
        reason_id=reason.remote_id,
        notes=action.notes or None,
        acting_user_id=acting,
    )


def _not_done(provider: Provider, action: ApplicationAction, error: AtsError) -> None:
    """Turn Greenhouse's "no" into a state, and look at what is true now."""
    evidence = msgspec.to_builtins(error.evidence) if error.evidence else None
    if isinstance(error, errors.OutcomeUnknown):
        transitions.won(
            action, Status.UNKNOWN, why="the answer was lost", outcome=error.sentence,
            evidence=evidence,
        )  # fmt: skip
        settle(action, provider)
        return
    status = {
        errors.Conflict: Status.CONFLICT,
        errors.ActingUserRefused: Status.REFUSED,
        errors.MissingPermission: Status.REFUSED,
        errors.NotFound: Status.REFUSED,
        errors.Invalid: Status.REFUSED,
    }.get(type(error), Status.FAILED)
    sentence = error.sentence
    if status in (Status.CONFLICT, Status.REFUSED):
        _look_again(provider, action)
    if status == Status.FAILED:
        sentence = f"{sentence} Nothing was changed in Greenhouse."
    _settle(action, status, sentence, evidence=evidence)


def settle(action: ApplicationAction, provider: Provider | None = None) -> None:
    """Find out what became of an action whose answer was lost: read, compare, never repeat."""
    if provider is None:
        credential = _credential(action)
        if credential is None:
            return
        with closing(open_provider(credential, lane=Lane.PEOPLE)) as opened:
            settle(action, opened)
        return
    now = _look_again(provider, action)
    if now is None:
        return  # still unknown; the sweep asks again
    status, sentence = _judged(action, now)
    if status == Status.FAILED and not _is_over(action):
        return
    _settle(action, status, sentence)


def _is_over(action: ApplicationAction) -> bool:
    return action.sent_at is None or action.sent_at < timezone.now() - STILL_UNDERWAY


def _judged(action: ApplicationAction, now: Application) -> tuple[str, str]:
    """What the present state says about a write whose answer was lost."""
    unchanged = "Greenhouse's answer was lost; it did not happen. You can do it again."
    if action.kind == Kind.REJECT:
        if now.status == ApplicationStatus.REJECTED:
            return Status.DONE, _DONE_WORDS[Kind.REJECT]
        return Status.FAILED, unchanged
    if now.status != ApplicationStatus.ACTIVE:
        return Status.CONFLICT, f"It is {now.status} in Greenhouse by now."
    if now.stage_remote_id == action.seen_stage_remote_id:
        return Status.FAILED, unchanged
    return Status.DONE, f"It is in “{now.stage_name}” in Greenhouse now."


def _look_again(provider: Provider, action: ApplicationAction) -> Application | None:
    """The application as it truly is now, mirrored; None when it could not be read."""
    application = action.application
    try:
        return refresh_application(application.connection, provider, application.remote_id)
    except AtsError:
        return None


def _mirror(action: ApplicationAction, receipt: Receipt) -> None:
    if receipt.application is not None:
        connection: Connection = action.application.connection
        write.applications(connection, [receipt.application])


def _settle(
    action: ApplicationAction, status: str, sentence: str, *, evidence: object = None
) -> None:
    transitions.won(
        action,
        status,
        why=sentence,
        outcome=sentence[:400],
        settled_at=timezone.now(),
        evidence=evidence or action.evidence,
    )


def sweep() -> None:
    """Ask again for what was lost on the way: queued rows, silent workers, unknown outcomes."""
    long_ago = timezone.now() - SILENT_AFTER
    for pk in _pks(status=Status.QUEUED, queued_at__lt=long_ago):
        queue.enqueue(SEND, pk)
    for action in ApplicationAction.objects.filter(status=Status.SENDING, sent_at__lt=long_ago):
        # It may have been sent: nobody knows, so it is read, not repeated.
        transitions.won(action, Status.UNKNOWN, why="its worker fell silent")
    for pk in _pks(status=Status.UNKNOWN):
        queue.enqueue(SETTLE, pk)


def _pks(**which: object) -> list[int]:
    return list(ApplicationAction.objects.filter(**which).values_list("pk", flat=True)[:200])
