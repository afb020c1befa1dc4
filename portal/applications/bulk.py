"""One thing done to many applications of a requisition: chosen, looked over, held, sent in turn.

Each application has an action of its own with its own outcome; the batch only carries them. A
worker sends for a moment and then queues again behind everybody else's clicks, in the lane that
leaves room for them.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import QuerySet
from django.utils import timezone

from integrations.ats.port import Provider
from integrations.ats.types import SeenStage
from integrations.ats.wiring import Lane
from portal.accounts.models import Membership, User
from portal.applications import clicks, ending, outbox, perform, undo
from portal.applications.models import ApplicationAction, Batch, Kind
from portal.applications.offers import ground, offer
from portal.applications.verbs import VERBS, Click, Ground
from portal.connections.open import open_provider, speaking_with
from portal.core import queue, readonly
from portal.core.secrets import SecretUnreadable
from portal.entitlements.rules import Rights, visible_applications
from portal.mirror.models import Application, Job, RejectionReason, Stage

Status = ApplicationAction.Status

STEP = "portal.applications.tasks.batch"
KINDS = (Kind.ADVANCE, Kind.REJECT, Kind.MOVE, Kind.UNREJECT)
# What can be done to many of those that a page shows, by the state that it shows.
FITTING = {"active": (Kind.ADVANCE, Kind.MOVE, Kind.REJECT), "rejected": (Kind.UNREJECT,)}
MOST = 500  # at once
TURN = 2.0  # seconds of sending before others get theirs
DID_OR_MAY = (*ApplicationAction.OPEN, Status.DONE)
ANSWERED = (Status.DONE, Status.CONFLICT, Status.REFUSED)
LEASE = timedelta(minutes=1)  # a worker that fell silent loses its turn after this
BUSY = "Its last action has not been settled yet."
THERE = "It is in this stage already."
Unfit = Sequence[tuple[Application, str]]
Made = tuple[Application, Click]


@dataclass(frozen=True)
class Preview:
    """What would happen: to which of the chosen, and to which not and why."""

    fit: Sequence[Application]
    unfit: Unfit


def preview(
    applications: Iterable[Application],
    kind: str,
    at: Ground,
    parameters: Mapping[int, Mapping[str, Any]] | None = None,
) -> Preview:
    """Look over the chosen applications of one job, before anything is done.

    `parameters`: what each is to be done with, by the application, once that is known.
    """
    listed = list(applications)
    busy = set(
        ApplicationAction.objects.filter(
            application__in=listed, status__in=ApplicationAction.OPEN
        ).values_list("application_id", flat=True)
    )
    fit, unfit = [], []
    for one in listed:
        why_not = BUSY if one.pk in busy else offer(one, at, kind).why_not
        why_not = why_not or _there_already(one, (parameters or {}).get(one.pk, {}))
        if why_not:
            unfit.append((one, why_not))
        else:
            fit.append(one)
    return Preview(fit, unfit)


def _there_already(application: Application, parameters: Mapping[str, Any]) -> str:
    """Moved onto itself it would count its days in the stage anew."""
    to = parameters.get("to_stage")
    return THERE if to is not None and to == application.stage_remote_id else ""


@dataclass(frozen=True, kw_only=True)
class Deed:
    """What is to be done to each of them."""

    kind: str
    reason: RejectionReason | None = None
    notes: str = ""
    parameters: Mapping[str, Any]


def start(
    member: Membership,
    job: Job,
    held: Rights,
    deed: Deed,
    chosen: Sequence[tuple[Application, SeenStage]],
    *,
    key: uuid.UUID,
) -> tuple[Batch, Unfit]:
    """Put it into the outbox; gives with it who was left out just now, and why.

    The same key again gives the same batch back.
    """
    earlier = Batch.objects.filter(key=key, membership=member).first()
    if earlier is not None:
        return earlier, ()
    names = _stage_names(job, [seen for _, seen in chosen])
    made = [(one, _click(deed, key, one, seen, names)) for one, seen in chosen]
    at = ground(member, job.pk, held)
    look = _look(made, deed.kind, at)
    batch = Batch(key=key, membership=member, job=job, kind=deed.kind)
    return _held(batch, made, look, at), look.unfit


def _click(
    deed: Deed,
    key: uuid.UUID,
    application: Application,
    seen: SeenStage,
    names: Mapping[int | None, str],
) -> Click:
    return Click(
        key=_key(key, application),
        kind=deed.kind,
        seen=seen,
        seen_stage_name=_on_screen(seen, application, names),
        reason=deed.reason,
        notes=deed.notes,
        parameters=deed.parameters,
    )


def _stage_names(job: Job, seen: Iterable[SeenStage]) -> dict[int | None, str]:
    """What the stages on screen are called: an application may be in another one by now."""
    on_screen = {one.stage_id for one in seen if one.stage_id is not None}
    stages = Stage.objects.filter(job=job, remote_id__in=on_screen)
    return dict(stages.order_by().values_list("remote_id", "name"))


def _on_screen(seen: SeenStage, now: Application, names: Mapping[int | None, str]) -> str:
    """The name of the stage in which the person saw it."""
    here = seen.stage_id == now.stage_remote_id
    return now.stage_name if here else names.get(seen.stage_id, "")


def _key(of_batch: uuid.UUID, application: Application) -> uuid.UUID:
    return uuid.uuid5(of_batch, str(application.pk))


def _look(made: Sequence[Made], kind: str, at: Ground) -> Preview:
    parameters = {one.pk: click.parameters for one, click in made}
    return preview((one for one, _ in made), kind, at, parameters)


def _held(batch: Batch, made: Sequence[Made], look: Preview, at: Ground) -> Batch:
    """Held for a while, with those that fit."""
    batch.left_out = len(look.unfit)
    batch.due_at = timezone.now() + timedelta(seconds=settings.BULK_HOLD_SECONDS)
    fit = {one.pk for one in look.fit}
    return _opened(batch, [(one, click) for one, click in made if one.pk in fit], at)


def _opened(batch: Batch, made: Sequence[Made], at: Ground) -> Batch:
    """Write the batch and its actions. Who got another action meanwhile is left out."""
    try:
        with transaction.atomic():
            batch.save()
            ApplicationAction.objects.bulk_create(
                (_row(batch, one, click, at) for one, click in made),
                ignore_conflicts=True,
            )
    except IntegrityError:  # the same click again, at the same moment
        return Batch.objects.get(key=batch.key, membership=batch.membership)
    left_out = len(made) - batch.actions.count()
    if left_out:
        batch.left_out += left_out
        batch.save(update_fields=["left_out"])
    return batch


def _row(batch: Batch, application: Application, click: Click, at: Ground) -> ApplicationAction:
    due = batch.due_at
    row = clicks.recorded(batch.membership, application, click, at, due_at=due, batch=batch)
    row.give_up_at = None  # from its own first try: its turn may come long after the click
    return row


def release() -> None:
    """Have the batches that are due sent. Called each second, by several workers at once, and by a
    batch's page; who may only look leaves it to the others.
    """
    if readonly.holds():
        return
    now = timezone.now()
    for pk, due in Batch.objects.filter(due_at__lte=now).values_list("pk", "due_at")[:20]:
        if Batch.objects.filter(pk=pk, due_at=due).update(due_at=now + LEASE):
            queue.enqueue(STEP, pk)


def step(batch: Batch) -> None:
    """Send for a moment, then let others have their turn."""
    if _another_is_sending(batch):
        _again_at(batch, timezone.now() + timedelta(seconds=1))
        return
    credential = batch.job.connection.credential
    try:
        if credential is None:
            raise SecretUnreadable
        patience = settings.PATIENCE_PEOPLE
        provider = open_provider(credential, lane=Lane.SYNC, patience=patience)
        with speaking_with(credential):
            _send_for_a_moment(batch, provider)
    except SecretUnreadable:
        for action in _rows(batch).filter(status=Status.HELD):
            perform.send(action)  # says why it cannot be
    _go_on(batch)


def _send_for_a_moment(batch: Batch, provider: Provider) -> None:
    end = time.monotonic() + TURN
    while (action := _next(batch)) is not None:
        waited = _bounded(action)
        perform.send_with(provider, action)
        if action.status == Status.HELD:  # Greenhouse does not answer: the rest waits, too
            _postpone(batch, action)
        elif waited and action.status in ANSWERED:
            _unbounded(batch)
        if time.monotonic() > end:
            break


def _rows(batch: Batch) -> Any:
    return batch.actions.select_related(
        "application__connection", "membership__user", "membership__organization", "reason"
    )


def _next(batch: Batch) -> ApplicationAction | None:
    due = _rows(batch).filter(status=Status.HELD, due_at__lte=timezone.now())
    found: ApplicationAction | None = due.order_by("id").first()
    return found


def _another_is_sending(batch: Batch) -> bool:
    """One batch at a time for a connection, so that a worker stays free for single clicks."""
    earlier = Batch.objects.filter(
        job__connection_id=batch.job.connection_id, pk__lt=batch.pk, due_at__isnull=False
    )
    return earlier.filter(actions__status=Status.SENDING).exists()


def _bounded(action: ApplicationAction) -> bool:
    """Begin its time in the outbox with its first try. True: Greenhouse was waited for before."""
    if action.give_up_at is not None:
        return True
    patience = timedelta(minutes=settings.OUTBOX_PATIENCE_MINUTES)
    action.give_up_at = timezone.now() + patience
    action.save(update_fields=["give_up_at"])
    return False


def _postpone(batch: Batch, action: ApplicationAction) -> None:
    """Have the rest wait with this one, and give up with it: else an hour of Greenhouse's silence
    would be waited out by each of them in turn.
    """
    rest = batch.actions.filter(status=Status.HELD)
    rest.update(due_at=action.due_at, outcome=action.outcome)
    rest.filter(give_up_at=None).update(give_up_at=action.give_up_at)


def _unbounded(batch: Batch) -> None:
    """Greenhouse answers again: whoever only waited has all of its time before it."""
    batch.actions.filter(status=Status.HELD, tries=0).update(give_up_at=None)


def _go_on(batch: Batch) -> None:
    """Queue the next turn, wait until something is due, or be finished.

    Where only others still ask what became of something, it is looked at again before long.
    """
    held = batch.actions.filter(status=Status.HELD).order_by("due_at")
    due = held.values_list("due_at", flat=True).first()
    if due is None:
        _again_at(batch, timezone.now() + LEASE)
        ending.ended(batch.pk)
    elif due <= timezone.now():
        _again_at(batch, timezone.now() + LEASE)
        queue.enqueue(STEP, batch.pk)
    else:
        _again_at(batch, due)


def _again_at(batch: Batch, when: datetime) -> None:
    """Look at it again then, unless it has ended meanwhile: that is for good."""
    Batch.objects.filter(pk=batch.pk, due_at__isnull=False).update(due_at=when)


def withdraw(batch: Batch, *, by: User) -> int:
    """Take back what was not sent yet; gives how many."""
    waiting = batch.actions.filter(status__in=ApplicationAction.WITHDRAWABLE)
    with transaction.atomic():
        taken = sum(outbox.withdraw(action, by=by) for action in waiting)
    ending.ended(batch.pk)
    return taken


def way_back(batch: Batch, held: Rights) -> list[Made]:
    """What of it can be undone now: each application with the click that undoes its action."""
    done = list(
        _seen_still(batch, held)
        .filter(status=Status.DONE)
        .select_related(
            "application__job", "application__stage", "application__candidate", "reason"
        )
    )
    newest = undo.newest_deeds([action.application_id for action in done])
    at = ground(batch.membership, batch.job_id, held)
    ways = (
        (action.application, undo.way_back(action, action.application, at))
        for action in done
        if newest.get(action.application_id) == action.pk
    )
    return [(one, click) for one, click in ways if isinstance(click, Click)]


def undoing(batch: Batch) -> Batch | None:
    """The batch that undoes it, or has; one of which nothing was done leaves it as it was."""
    found: Batch | None = (
        batch.undone_by.filter(actions__status__in=DID_OR_MAY).order_by("id").first()
    )
    return found


def take_back(batch: Batch, held: Rights) -> Batch | None:
    """Undo what is done, as a batch of its own that goes out at once; None: nothing can be."""
    if (back := undoing(batch)) is not None:
        return back
    made = way_back(batch, held)
    if not made:
        return None
    key, _ = _attempt(batch, "undo")
    anew = [(one, replace(click, key=_key(key, one))) for one, click in made]
    back = Batch(
        key=key,
        membership=batch.membership,
        job=batch.job,
        kind=made[0][1].kind,
        undoes=batch,
        due_at=timezone.now(),
    )
    return _opened(back, anew, ground(batch.membership, batch.job_id, held))


def _attempt(batch: Batch, what: str) -> tuple[uuid.UUID, Batch | None]:
    """The key under which this is attempted, with the batch that it has already.

    The same for a double click; attempts of which nothing was done are left behind.
    """
    key = uuid.uuid5(batch.key, what)
    begun = Batch.objects.filter(key=key).first()
    while begun is not None and not begun.actions.filter(status__in=DID_OR_MAY).exists():
        key = uuid.uuid5(key, what)
        begun = Batch.objects.filter(key=key).first()
    return key, begun


def _seen_still(batch: Batch, held: Rights) -> QuerySet[ApplicationAction]:
    """Its actions on applications that the person sees by now, of a closed job too."""
    mine = visible_applications(batch.membership, held=held, closed=True)
    return batch.actions.filter(application__in=mine)


def not_done(batch: Batch, held: Rights) -> list[ApplicationAction]:
    """Those that were refused, failed, or changed meanwhile, as far as the person sees them."""
    return list(
        _seen_still(batch, held)
        .filter(status__in=(Status.FAILED, Status.CONFLICT, Status.REFUSED))
        .select_related("application__job", "application__stage", "reason", "undoes")
    )


def retried(batch: Batch) -> Batch | None:
    """The batch in which its rest is tried again, or was."""
    return _attempt(batch, "retry")[1]


def again(batch: Batch, held: Rights) -> Preview:
    """Which of those that were not done can be tried again from where they stand now."""
    left = not_done(batch, held)
    anew = {one.application_id: VERBS[one.kind].anew(one, one.application) for one in left}
    at = ground(batch.membership, batch.job_id, held)
    return preview((one.application for one in left), batch.kind, at, anew)


def retry(batch: Batch, held: Rights, seen: Mapping[int, SeenStage]) -> tuple[Batch | None, Unfit]:
    """Try only those again, from where each stood on the page (`seen`, by the application).

    Once for a batch, however often asked. Gives with it who was left out, and why; no batch where
    none can be tried.
    """
    left = [one for one in not_done(batch, held) if one.application_id in seen]
    if not left:
        return None, ()
    key, begun = _attempt(batch, "retry")
    if begun is not None:
        return begun, ()
    names = _stage_names(batch.job, seen.values())
    made = [(one.application, _the_same(one, key, seen[one.application_id], names)) for one in left]
    at = ground(batch.membership, batch.job_id, held)
    look = _look(made, batch.kind, at)
    if not look.fit:
        return None, look.unfit
    anew = Batch(
        key=key,
        membership=batch.membership,
        job=batch.job,
        kind=batch.kind,
        undoes=batch.undoes,
    )
    return _held(anew, made, look, at), look.unfit


def _the_same(
    action: ApplicationAction,
    of_batch: uuid.UUID,
    seen: SeenStage,
    names: Mapping[int | None, str],
) -> Click:
    """Each by its own words: in a batch that undoes, each goes back to a place of its own."""
    now = action.application
    return Click(
        key=_key(of_batch, now),
        kind=action.kind,
        seen=seen,
        seen_stage_name=_on_screen(seen, now, names),
        reason=action.reason,
        notes=action.notes,
        parameters=VERBS[action.kind].anew(action, now),
        undoes=action.undoes,
    )


@dataclass(frozen=True)
class Progress:
    """How far a batch is, in numbers."""

    counts: Mapping[str, int]

    @property
    def total(self) -> int:
        return sum(self.counts.values())

    @property
    def total_words(self) -> str:
        return f"{self.total:,}"

    @property
    def done(self) -> int:
        return self.counts.get(Status.DONE, 0)

    @property
    def withdrawn(self) -> int:
        return self.counts.get(Status.WITHDRAWN, 0)

    @property
    def failed(self) -> int:
        return sum(self.counts.get(s, 0) for s in (Status.FAILED, Status.CONFLICT, Status.REFUSED))

    @property
    def open(self) -> int:
        return sum(self.counts.get(status, 0) for status in ApplicationAction.OPEN)

    @property
    def waiting(self) -> int:
        return sum(self.counts.get(status, 0) for status in ApplicationAction.WITHDRAWABLE)

    @property
    def settled(self) -> int:
        return self.total - self.open


def label(kind: str) -> str:
    """What is done to them, in a word: "Reject"."""
    return VERBS[kind].doing
