"""Doing what a person clicked: once, in their own name, and telling truly what came of it.

*held → queued → sending → done | refused | conflict | failed | unknown*, and
*unknown → done | conflict | failed* once Greenhouse could be read again.
"""

from __future__ import annotations

import logging
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any

import msgspec
from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from integrations.ats import errors
from integrations.ats.errors import AtsError
from integrations.ats.port import Provider
from integrations.ats.wiring import Lane
from portal.applications import ending, logged
from portal.applications.acting import AS_SERVICE_ACCOUNT
from portal.applications.models import ApplicationAction
from portal.applications.offers import ground, offer
from portal.applications.refusals import learn, refused_words, unlearn
from portal.applications.verbs import VERBS
from portal.applications.verbs.base import Verb, standing
from portal.audit.record import record
from portal.connections import drift
from portal.connections.models import Credential
from portal.connections.open import asking
from portal.core import transitions
from portal.core.secrets import SecretUnreadable
from portal.entitlements.rules import rights, visible_application, why_nothing
from portal.mirror import guard, write
from portal.mirror.models import Application
from portal.mirror.single import refresh_application

logger = logging.getLogger(__name__)
Status = ApplicationAction.Status

# A write whose answer was lost may still be on its way: only after this long "not there" is "no".
STILL_UNDERWAY = timedelta(seconds=30)
LOOK_AGAIN = timedelta(seconds=5)
# A click that goes out at once was checked this short a while ago, when it was made.
JUST_CHECKED = timedelta(seconds=2)
TAKEN = "Greenhouse took it. We are reading where the application stands now."
# How long the outbox waits between tries while Greenhouse does not answer.
PAUSES = (5, 10, 20, 40, 60)


def send(action: ApplicationAction) -> None:
    """Send one action that is due. Returns at once when another worker has it."""
    credential = action.application.connection.credential
    try:
        if credential is None:
            raise SecretUnreadable
        with asking(credential, lane=Lane.PEOPLE) as provider:
            send_with(provider, action)
    except SecretUnreadable:
        if _taken(action):
            _settle(action, Status.FAILED, "The Greenhouse credential must be entered again.")


def send_with(provider: Provider, action: ApplicationAction) -> None:
    """Send one action that is due, through this provider, unless another worker has it."""
    if not _taken(action):
        return
    try:
        if why := _no_longer_allowed(action):
            _settle(action, Status.FAILED, why)
        else:
            _sent(provider, action)
    except Exception:  # a fault of ours: whether it left is not known, so it is read, not repeated
        logger.exception("Action %s stopped half-way", action.pk)
        action.refresh_from_db(fields=["status"])  # a settling that failed was taken back
        _unknown(action, errors.OutcomeUnknown(), why="our own fault")


def _sent(provider: Provider, action: ApplicationAction) -> None:
    verb = VERBS[action.kind]
    try:
        _look_first(provider, verb, action)
        receipt = verb.send(provider, action)
    except AtsError as error:
        _not_done(provider, action, error)
        return
    taken = errors.OutcomeUnknown(TAKEN)
    if receipt.application is None:
        _unknown(action, taken, why="taken, but where it stands could not be read")
        settle_with(provider, action)
        return
    try:
        with transaction.atomic():
            write.applications(action.application.connection, [receipt.application])
            now = guard.written(_here(action))
            _done(action, verb.done(action, now), now)
    except guard.Ended:
        _unknown(action, taken, why="taken, while the connection was changed")
        return
    unlearn(action)


def _done(action: ApplicationAction, sentence: str, now: Application) -> None:
    """Within a transaction: what came of it is kept as one."""
    if action.as_service_account:
        sentence = f"{sentence.rstrip('.')}, {AS_SERVICE_ACCOUNT}."
        _recorded(action)
    _settle(action, Status.DONE, sentence, after=standing(now))


def _unknown(action: ApplicationAction, error: errors.OutcomeUnknown, *, why: str) -> None:
    """What became of it is to be read. `sent_at` is when it may have left, at the latest."""
    now = timezone.now()
    transitions.won(
        action, Status.UNKNOWN, why=why, sent_at=now, due_at=now + LOOK_AGAIN,
        outcome=error.sentence, evidence=_evidence(error),
    )  # fmt: skip


def _evidence(error: AtsError) -> Any:
    return msgspec.to_builtins(error.evidence) if error.evidence else None


def _recorded(action: ApplicationAction) -> None:
    """Greenhouse names the service account: our record says who clicked."""
    record(
        "action.service_account",
        f"{action.get_kind_display().lower()} on application {action.application.remote_id}, "
        f"{AS_SERVICE_ACCOUNT}",
        organization=action.membership.organization,
        by=action.membership.user,
        subject=action,
    )


def _taken(action: ApplicationAction) -> bool:
    now = timezone.now()
    if action.due_at is not None and action.due_at > now:
        return False
    return transitions.won(
        action, Status.SENDING, why="a worker took it", sent_at=now, tries=action.tries + 1
    )


def _no_longer_allowed(action: ApplicationAction) -> str:
    """Checked again at the moment of sending: rights may have gone since the click."""
    if action.tries == 1 and action.due_at is None and _age(action) < JUST_CHECKED:
        return ""
    member = action.membership
    if member.ended_at:
        return f"{member.user} no longer belongs to {member.organization}, so nothing was sent."
    held = rights(member)
    application = visible_application(member, action.application_id, held=held)
    if application is None:
        if why := why_nothing(held):
            return f"{why} Nothing was sent."
        return "You can no longer see this application in Greenhouse, so nothing was sent."
    at = ground(member, application.job_id, held)
    offered = offer(application, at, action.kind)
    if why := VERBS[action.kind].out_of_reach(action.parameters, at):
        return f"{why} Nothing was sent."
    # A state that changed since the click is a conflict, and Greenhouse's to tell.
    return "" if offered.by_state else offered.why_not


def _age(action: ApplicationAction) -> timedelta:
    return timezone.now() - action.queued_at


def _look_first(provider: Provider, verb: Verb, action: ApplicationAction) -> None:
    """Where Greenhouse takes it from a stale screen too: see that nothing changed meanwhile.

    Raises Conflict. What may not be read is not looked at; Greenhouse decides then.
    """
    if not verb.looks_first(action):
        return
    try:
        now = provider.get_application(action.application.remote_id)
    except (errors.MissingPermission, errors.NotSiteAdmin, errors.UnreadableAnswer):
        return
    if verb.differs_from_seen(action, now):
        raise errors.Conflict


def _not_done(provider: Provider, action: ApplicationAction, error: AtsError) -> None:
    """Turn Greenhouse's "no" into a state, and look at what is true now."""
    if isinstance(error, errors.OutcomeUnknown):
        _unknown(action, error, why="the answer was lost")
        settle_with(provider, action)
        return
    if isinstance(error, (errors.AtsDown, errors.RateLimited)) and _waits(action, error):
        return
    if isinstance(error, errors.MissingPermission):
        drift.permission_refused(action.application.connection, error.permission)
    status = {
        errors.Conflict: Status.CONFLICT,
        errors.ActingUserRefused: Status.REFUSED,
        errors.MissingPermission: Status.REFUSED,
        errors.NotFound: Status.REFUSED,
        errors.Invalid: Status.REFUSED,
    }.get(type(error), Status.FAILED)
    evidence = _evidence(error)
    if status == Status.FAILED:
        _settle(action, status, _not_sent_words(error), evidence=evidence)
        return
    learn(action, error)
    now = _look_again(provider, action)
    after = standing(now) if now else None
    _settle(action, status, refused_words(action, error), evidence=evidence, after=after)


def _waits(action: ApplicationAction, error: AtsError) -> bool:
    """Back into the outbox, where it can be taken back; False once it has waited long enough."""
    now = timezone.now()
    pause = PAUSES[min(action.tries, len(PAUSES)) - 1]
    due = now + timedelta(seconds=pause)
    if isinstance(error, errors.RateLimited):
        due = max(error.until, now + timedelta(seconds=1))
    if action.give_up_at is None or due > action.give_up_at:
        return False
    return transitions.won(
        action, Status.HELD, why=error.sentence, outcome=_waiting_words(error), due_at=due
    )


def _waiting_words(error: AtsError) -> str:
    if isinstance(error, errors.RateLimited):
        return "Greenhouse asks us to slow down. It goes out by itself in a moment."
    return "Greenhouse does not answer at the moment. We keep trying by ourselves."


def _not_sent_words(error: AtsError) -> str:
    if isinstance(error, errors.AtsDown):
        return "Greenhouse did not answer for too long. Nothing was changed there."
    if isinstance(error, errors.RateLimited):
        return "Greenhouse asked us to slow down for too long. Nothing was changed there."
    return f"{error.sentence} Nothing was changed in Greenhouse."


def settle(action: ApplicationAction) -> None:
    """Find out what became of an action whose answer was lost: read, compare, never repeat."""
    credential: Credential | None = action.application.connection.credential
    if credential is None:
        return
    with suppress(SecretUnreadable), asking(credential, lane=Lane.PEOPLE) as provider:
        settle_with(provider, action)


def settle_with(provider: Provider, action: ApplicationAction) -> None:
    """The same, through a provider that is open already."""
    try:
        now = _read_again(provider, action)
    except errors.NotFound:
        _settle(action, Status.CONFLICT, "Greenhouse no longer has this application.")
        return
    except AtsError:
        return  # still unknown; it is asked again
    status, sentence = VERBS[action.kind].judged(action, now)
    if status == Status.FAILED and not _is_over(action):
        return
    if status != Status.DONE:
        _settle(action, status, sentence, after=standing(now))
        return
    with transaction.atomic():
        _done(action, sentence, now)
    unlearn(action)


def _is_over(action: ApplicationAction) -> bool:
    sent: datetime | None = action.sent_at
    return sent is None or sent < timezone.now() - STILL_UNDERWAY


def _look_again(provider: Provider, action: ApplicationAction) -> Application | None:
    """The application as it truly is now, mirrored; None when it could not be read."""
    try:
        return _read_again(provider, action)
    except AtsError:
        return None


def _read_again(provider: Provider, action: ApplicationAction) -> Application:
    application = action.application
    refresh_application(application.connection, provider, application.remote_id)
    return _here(action).get()


def _here(action: ApplicationAction) -> QuerySet[Application]:
    return Application.objects.select_related("job").filter(pk=action.application_id)


def _settle(action: ApplicationAction, status: str, sentence: str, **also: Any) -> None:
    with transaction.atomic(savepoint=False):
        won = transitions.won(
            action,
            status,
            why=sentence,
            outcome=sentence[:400],
            settled_at=timezone.now(),
            due_at=None,
            **{name: value for name, value in also.items() if value is not None},
        )
        if won and action.batch_id is not None:
            ending.ended(action.batch_id)
        elif won and status == Status.DONE:
            logged.done(action)
