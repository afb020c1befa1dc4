"""Refreshing the mirror: one run, step by step, page by page.

A page is written together with the place to go on from, by the worker that holds the run and by no
other. A worker that is killed leaves a run that is silent; the sweep hands it to the next one,
which goes on behind the last page. A step that Greenhouse does not permit is `refused` and the rest
goes on; a run that lost contact, or was refused something essential, is `failed` and leaves what it
had read. Records are marked gone only by a step that read its whole list to the end.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import closing
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import F, Max
from django.utils import timezone

from integrations.ats.errors import (
    AtsDown,
    AtsError,
    BadCredential,
    MissingPermission,
    NotSiteAdmin,
    RateLimited,
)
from integrations.ats.port import AccountSample, Provider
from integrations.ats.types import Page
from integrations.ats.wiring import Call, Lane
from portal.accounts.models import User
from portal.connections import drift, standing
from portal.connections.models import Connection
from portal.connections.open import open_provider
from portal.core import queue, transitions
from portal.core.secrets import SecretUnreadable
from portal.mirror import lost, slipped, trouble
from portal.mirror.models import AtsUser, Job, SyncRun, SyncStep
from portal.mirror.steps import ESSENTIAL, LABELS, OPTIONAL, STEPS, From, Step
from portal.mirror.stop import stop
from portal.mirror.upsert import Written, asked_at

__all__ = ["LABELS", "STEPS", "Step"]  # what pages show of a run is asked for here

RUN = "portal.mirror.tasks.run"
# Greenhouse's filter is asked for a little more than is missing: clocks differ, pages take time.
OVERLAP = timedelta(minutes=10)
BEAT = timedelta(seconds=20)
# A worker gives a long run back to the queue after this long, well within the queue's own limit.
SLICE = timedelta(minutes=20)
# So many workers may take a run and fall silent without writing a page.
MOST_TAKES = 5

Scope = SyncRun.Scope
Cause = SyncRun.Cause


class LeaseLost(Exception):
    """Another worker has the run by now, or it was ended: this one must not write any more."""


class TimeUp(Exception):
    """The run goes on in another task."""


def silent_after() -> timedelta:
    """A worker that waits for Greenhouse is quiet for as long as one question may take."""
    return timedelta(seconds=max(120.0, settings.PATIENCE_SYNC) + 60)


# -- asking for a run ----------------------------------------------------------------------------
def request(connection: Connection, scope: str, *, by: User | None = None) -> SyncRun:
    """Have the mirror refreshed by a worker. An open run is joined."""
    run, new = open_run(connection, by=by, scope=scope)
    if new:
        queue.enqueue(RUN, run.pk)
    return run


def open_run(
    connection: Connection, *, by: User | None, scope: str = Scope.FULL
) -> tuple[SyncRun, bool]:
    """The sync to watch, and whether it is new: one that is already open is joined."""
    try:
        with transaction.atomic():
            run = SyncRun.objects.create(connection=connection, requested_by=by, scope=scope)
            expected = _seen_last_time(connection)
            SyncStep.objects.bulk_create(
                SyncStep(run=run, kind=step.kind, expected=expected.get(step.kind), since=since)
                for step, since in _plan(connection, scope)
            )
    except IntegrityError:
        return _open_runs(connection, scope).get(), False
    return run, True


def _open_runs(connection: Connection, scope: str) -> Any:
    runs = connection.syncs.filter(status__in=SyncRun.OPEN)
    people = runs.filter(scope=Scope.PEOPLE)
    return people if scope == Scope.PEOPLE else runs.exclude(scope=Scope.PEOPLE)


def _plan(connection: Connection, scope: str) -> Iterator[tuple[Step, datetime | None]]:
    """The steps of a run, and since when each is asked for changes (None: the whole list)."""
    last_read = _last_reads(connection)
    for step in STEPS:
        if scope == Scope.PEOPLE:
            if step.people:
                yield step, None
        elif scope == Scope.FULL:
            yield step, None
        elif step.every is not None:
            last = last_read.get(step.kind)
            if last is None or not step.every or last + step.every <= timezone.now():
                yield step, (last - OVERLAP if last and step.filters else None)


def _last_reads(connection: Connection) -> dict[str, datetime]:
    """By kind of step, the start of the last run that read this list to its end."""
    done = SyncStep.objects.filter(run__connection=connection, status=SyncStep.Status.DONE)
    latest = done.order_by().values_list("kind").annotate(at=Max("run__started_at"))
    return dict(latest)


def _seen_last_time(connection: Connection) -> dict[str, int]:
    last = last_good(connection, scope=Scope.FULL)
    steps = last.steps.filter(status=SyncStep.Status.DONE) if last else SyncStep.objects.none()
    return dict(steps.values_list("kind", "seen"))


def last_good(connection: Connection, *, scope: str | None = None) -> SyncRun | None:
    """The newest run that reached its end, None before the first. Readings of people alone do not
    count, unless asked for.
    """
    ended = connection.syncs.filter(status__in=(SyncRun.Status.DONE, SyncRun.Status.PARTIAL))
    if scope is not None:
        return ended.filter(scope=scope).first()
    return ended.exclude(scope=Scope.PEOPLE).first()


# -- a run ---------------------------------------------------------------------------------------
def run(sync: SyncRun) -> bool:
    """Do the sync, to its end or to a failure. False when another worker has it already."""
    now = timezone.now()
    if not transitions.won(
        sync,
        SyncRun.Status.RUNNING,
        why="a worker took it",
        started_at=sync.started_at or now,
        heard_at=now,
        holder=uuid.uuid4().hex,
        takes=sync.takes + 1,
    ):
        return False
    if Connection.objects.filter(pk=sync.connection_id, state=Connection.State.PAUSED).exists():
        stop(sync.connection)
        return True
    try:
        _Reading(sync).everything()
    except LeaseLost:
        return True
    except TimeUp:
        if _back_to_the_queue(sync, "its time was up; it goes on from here"):
            SyncRun.objects.filter(pk=sync.pk).update(takes=0)
        return True
    except SecretUnreadable:
        _fail(
            sync,
            Cause.CREDENTIAL,
            "The stored credential can no longer be opened. Please enter it again.",
        )
    except AtsError as error:
        _fail(sync, _cause(error), error.sentence)
    else:
        _finish(sync)
    _settle(sync)
    return True


def _settle(sync: SyncRun) -> None:
    connection = sync.connection
    trouble.look(connection)
    if sync.scope != Scope.PEOPLE:
        standing.settle(connection, synced=last_good(connection) is not None)


def _cause(error: AtsError) -> str:
    causes: tuple[tuple[type[AtsError], str], ...] = (
        (BadCredential, Cause.CREDENTIAL),
        (MissingPermission, Cause.FORBIDDEN),
        (NotSiteAdmin, Cause.FORBIDDEN),
        (AtsDown, Cause.DOWN),
        (RateLimited, Cause.RATE_LIMIT),
    )
    return next((cause for kind, cause in causes if isinstance(error, kind)), Cause.UNREADABLE)


class _Reading:
    """One worker's turn at a run."""

    def __init__(self, sync: SyncRun) -> None:
        self.sync = sync
        self.connection = sync.connection
        self._until = time.monotonic() + SLICE.total_seconds()
        self._requests = 0
        self._heard = timezone.now()
        self._steps = {step.kind: step for step in sync.steps.all()}

    def everything(self) -> None:
        credential = self.connection.credential
        if credential is None:
            raise SecretUnreadable
        with closing(open_provider(credential, lane=Lane.SYNC, also=self._heard_from)) as provider:
            for definition in STEPS:
                step = self._steps.get(definition.kind)
                if step is not None and step.is_open:
                    self._take_step(definition, step, provider)

    def _heard_from(self, call: Call) -> None:
        """A request was answered: count it, and let the others know that we live."""
        self._requests += 1
        now = timezone.now()
        if now - self._heard > BEAT:
            self._heard = now
            if not self._mine().update(heard_at=now):
                raise LeaseLost

    def _mine(self) -> Any:
        return SyncRun.objects.filter(
            pk=self.sync.pk, status=SyncRun.Status.RUNNING, holder=self.sync.holder
        )

    def _take_step(self, definition: Step, step: SyncStep, provider: Provider) -> None:
        self._begin(step)
        try:
            if not step.at_end:
                self._read(definition, step, provider)
            if provider.pages_may_shift:
                self._look_again(definition, step, provider)
        except (MissingPermission, NotSiteAdmin) as error:
            self._end(step, SyncStep.Status.REFUSED, failure=error.sentence)
            drift.permission_refused(self.connection, getattr(error, "permission", ""))
            return
        except AtsError as error:
            self._end(step, SyncStep.Status.FAILED, failure=error.sentence)
            raise
        self._close(definition, step)

    @transaction.atomic
    def _begin(self, step: SyncStep) -> None:
        now = timezone.now()
        if not self._mine().update(heard_at=now):
            raise LeaseLost
        _mark(step, SyncStep.Status.RUNNING, started_at=step.started_at or now)

    def _read(self, definition: Step, step: SyncStep, provider: Provider) -> None:
        place = From(since=step.since, cursor=step.cursor or None)
        began, asked = time.monotonic(), timezone.now()
        self._requests = 0
        for page in definition.read(provider, self.connection, place):
            with asked_at(asked):
                self._take_page(definition, step, page, began)
            began, asked = time.monotonic(), timezone.now()
            self._requests = 0
            if page.cursor is not None and began > self._until:
                raise TimeUp

    def _look_again(self, definition: Step, step: SyncStep, provider: Provider) -> None:
        """Whatever the list lacked may only have been hidden from it: ask once more."""
        step.refresh_from_db()
        missing = lost.to_look_for(self.connection, definition, step)
        if not missing:
            return
        asked = timezone.now()
        living = lost.living(self.connection, definition, provider, missing)
        if living is not None:
            with asked_at(asked):
                self._take_living(definition, step, living)
        elif not step.read_twice:
            self._begin_anew(step, read_twice=True)
            self._read(definition, step, provider)

    @transaction.atomic
    def _take_living(self, definition: Step, step: SyncStep, living: Sequence[Any]) -> None:
        if not self._mine().update(heard_at=timezone.now()):
            raise LeaseLost
        definition.write(self.connection, living)
        lost.remember(definition, step, Page(records=tuple(living)))
        SyncStep.objects.filter(pk=step.pk).update(
            seen=F("seen") + len(living), requests=F("requests") + self._requests
        )

    @transaction.atomic
    def _begin_anew(self, step: SyncStep, **fields: Any) -> None:
        """The list is read from its start again: each record counts once."""
        if not self._mine().update(heard_at=timezone.now()):
            raise LeaseLost
        fields |= {"begun_anew": True, "cursor": "", "at_end": False}
        SyncStep.objects.filter(pk=step.pk).update(
            pages=0, seen=0, unchanged=0, set_aside=0, **fields
        )
        step.refresh_from_db()

    @transaction.atomic
    def _take_page(self, definition: Step, step: SyncStep, page: Page[Any], began: float) -> None:
        """Write a page, and the place behind it, or nothing at all."""
        if not self._mine().update(heard_at=timezone.now(), takes=0):
            raise LeaseLost
        if page.restarted:
            step.seen_pages.all().delete()
            self._begin_anew(step)
        before = slipped.before(self.sync, definition, self.connection, page)
        written = definition.write(self.connection, page.records)
        slipped.note(self.sync, self.connection, page, written, before)
        if step.since is None:
            lost.remember(definition, step, page)
        self._checkpoint(step, page, written, began)

    def _checkpoint(self, step: SyncStep, page: Page[Any], written: Written, began: float) -> None:
        created, changed = len(written.created), len(written.changed)
        SyncStep.objects.filter(pk=step.pk).update(
            pages=F("pages") + 1,
            seen=F("seen") + len(page.records),
            created=F("created") + created,
            changed=F("changed") + changed,
            unchanged=F("unchanged") + max(0, written.told - created - changed),
            set_aside=F("set_aside") + len(page.set_aside),
            requests=F("requests") + self._requests,
            milliseconds=F("milliseconds") + round(1000 * (time.monotonic() - began)),
            cursor=page.cursor or "",
            at_end=page.cursor is None,
        )

    @transaction.atomic
    def _close(self, definition: Step, step: SyncStep) -> None:
        """The list was read to its end."""
        if not self._mine().update(heard_at=timezone.now()):
            raise LeaseLost
        step.refresh_from_db()
        whole = step.since is None and not step.unnamed
        gone = lost.forget(self.connection, definition, step) if whole else 0
        step.seen_pages.all().delete()
        if step.begun_anew:  # what the first reading wrote was unchanged to the second
            step.unchanged = max(0, step.seen - step.created - step.changed)
        _mark(
            step,
            SyncStep.Status.DONE,
            gone=gone,
            unchanged=step.unchanged,
            finished_at=timezone.now(),
        )
        if definition.kind == "jobs" and step.created and self.sync.scope == Scope.RECENT:
            self._follow_new_jobs()

    def _follow_new_jobs(self) -> None:
        """New requisitions bring stages, posts and openings before their hour has come."""
        last_read = _last_reads(self.connection)
        for definition in STEPS:
            if definition.follows_new_jobs:
                last = last_read.get(definition.kind)
                since = last - OVERLAP if last and definition.filters else None
                self._steps[definition.kind], _ = SyncStep.objects.get_or_create(
                    run=self.sync, kind=definition.kind, defaults={"since": since}
                )

    def _end(self, step: SyncStep, status: str, **fields: Any) -> None:
        """Refused or failed, unless it is somebody else's by now."""
        if not self._mine().update(heard_at=timezone.now()):
            raise LeaseLost
        step.seen_pages.all().delete()
        _mark(step, status, finished_at=timezone.now(), **fields)


# -- how it ends ---------------------------------------------------------------------------------
def _mark(step: SyncStep, status: str, **fields: Any) -> None:
    SyncStep.objects.filter(pk=step.pk).update(status=status, **fields)
    for name, value in {"status": status, **fields}.items():
        setattr(step, name, value)


def _fail(sync: SyncRun, cause: str, sentence: str) -> bool:
    return transitions.won(
        sync,
        SyncRun.Status.FAILED,
        why=sentence,
        failure=sentence[:300],
        cause=cause,
        finished_at=timezone.now(),
    )


def _finish(sync: SyncRun) -> None:
    refused = list(sync.steps.filter(status=SyncStep.Status.REFUSED).exclude(kind__in=OPTIONAL))
    for step in refused:
        if step.kind in ESSENTIAL:
            _fail(sync, Cause.FORBIDDEN, step.failure)
            return
    transitions.won(
        sync,
        SyncRun.Status.PARTIAL if refused else SyncRun.Status.DONE,
        why="not everything may be read" if refused else "every list was read to its end",
        finished_at=timezone.now(),
    )
    slipped.tell(sync)


def _back_to_the_queue(sync: SyncRun, why: str) -> bool:
    """Let another worker go on from the checkpoint."""
    with transaction.atomic():
        if not transitions.won(
            sync, SyncRun.Status.QUEUED, why=why, holder="", queued_at=timezone.now()
        ):
            return False
        queue.enqueue(RUN, sync.pk)
    return True


def sweep() -> None:
    """Hand runs whose worker fell silent, or whose task was lost, to the next worker."""
    quiet = timezone.now() - silent_after()
    for sync in SyncRun.objects.filter(status=SyncRun.Status.RUNNING, heard_at__lt=quiet):
        if sync.takes < MOST_TAKES:
            _back_to_the_queue(sync, "its worker fell silent; the next one goes on from here")
        elif _fail(sync, Cause.INTERRUPTED, "The sync was interrupted. It starts again by itself."):
            _settle(sync)
    for sync in SyncRun.objects.filter(status=SyncRun.Status.QUEUED, queued_at__lt=quiet):
        if SyncRun.objects.filter(pk=sync.pk, queued_at=sync.queued_at).update(
            queued_at=timezone.now()
        ):
            queue.enqueue(RUN, sync.pk)
    # Whoever paused was killed before the runs were ended.
    for connection in Connection.objects.filter(
        state=Connection.State.PAUSED, syncs__status__in=SyncRun.OPEN
    ).distinct():
        stop(connection)
    # A worker killed between a run's end and the connection's: nothing else would come by.
    waiting = Connection.objects.filter(state=Connection.State.SYNCING)
    for connection in waiting.exclude(syncs__status__in=SyncRun.OPEN):
        if last_good(connection) is not None:
            standing.settle(connection, synced=True)


def same_account(connection: Connection, sample: AccountSample) -> bool:
    """Whether a sample comes from the account that is mirrored here. True when nothing tells."""
    pairs = (
        (AtsUser, sample.user_ids),
        (Job, sample.job_ids),
    )
    told = []
    for model, ids in pairs:
        here = model._default_manager.filter(connection=connection)
        if ids and here.exists():
            told.append(here.filter(remote_id__in=ids).exists())
    return any(told) or not told


def read_people(connection: Connection) -> SyncRun:
    """Read people and their access now, in this process. An open reading of them is joined."""
    sync, _ = open_run(connection, by=None, scope=Scope.PEOPLE)
    run(sync)
    return sync
