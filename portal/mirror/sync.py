"""Refreshing the mirror: asking for a run, handing it from worker to worker, ending it.

How a worker reads is in `reading`, what is to be read in `plan`. A worker that is killed leaves a
run that is silent; the sweep hands it to the next one, which goes on behind the last page. A run
that lost contact, or was refused something essential, is `failed` and leaves what it had read.
"""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db import IntegrityError, transaction
from django.utils import timezone

from integrations.ats.errors import (
    AtsDown,
    AtsError,
    BadCredential,
    MissingPermission,
    NotSiteAdmin,
    RateLimited,
)
from portal.accounts.models import User
from portal.connections import standing
from portal.connections.models import Connection, Credential
from portal.core import queue, transitions
from portal.core.secrets import SecretUnreadable
from portal.mirror import plan, slipped, trouble
from portal.mirror.doubt import MostMissing
from portal.mirror.models import SyncRun, SyncStep
from portal.mirror.reading import LeaseLost, Reading, TimeUp
from portal.mirror.steps import ESSENTIAL, OPTIONAL
from portal.mirror.stop import outdated, stop

RUN = "portal.mirror.tasks.run"
# So many workers may take a run and fall silent without writing a page.
MOST_TAKES = 5

_READING = (Connection.State.SYNCING, Connection.State.LIVE, Connection.State.DEGRADED)
Scope = SyncRun.Scope
Cause = SyncRun.Cause


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
    """The sync to watch, and whether it is new: one that is already open is joined.

    It reads everything instead of what changed where something was left out that is needed now.
    """
    scope, steps = plan.of(connection, scope)
    try:
        with transaction.atomic():
            run = SyncRun.objects.create(connection=connection, requested_by=by, scope=scope)
            for step in steps:
                step.run = run
            SyncStep.objects.bulk_create(steps)
    except IntegrityError:
        return _open_runs(connection, scope).get(), False
    return run, True


def _open_runs(connection: Connection, scope: str) -> Any:
    runs = connection.syncs.filter(status__in=SyncRun.OPEN)
    people = runs.filter(scope=Scope.PEOPLE)
    return people if scope == Scope.PEOPLE else runs.exclude(scope=Scope.PEOPLE)


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
        credential=sync.credential or sync.connection.credential,
    ):
        return False
    if Connection.objects.filter(pk=sync.connection_id, state=Connection.State.PAUSED).exists():
        stop(sync.connection)
        return True
    if begun_anew(sync.connection):
        return True
    try:
        Reading(sync).everything()
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
        if isinstance(error, BadCredential) and begun_anew(sync.connection):
            return True  # it was changed meanwhile, and the old one given up
        _fail(sync, _cause(error), error.sentence)
    else:
        _finish(sync)
    _settle(sync)
    return True


def begun_anew(connection: Connection) -> bool:
    """Whether syncs read with another credential than the one in use: those are ended, and
    everything is asked for again with that one.
    """
    ended = outdated(connection)
    others = any(run.scope != Scope.PEOPLE for run in ended)  # people are read with everything
    if others and connection.credential is not None:
        request(connection, Scope.FULL)
    return bool(ended)


def _settle(sync: SyncRun) -> None:
    connection = sync.connection
    trouble.look(connection)
    if sync.scope != Scope.PEOPLE:
        standing.settle(connection, synced=plan.last_good(connection) is not None)


def _cause(error: AtsError) -> str:
    causes: tuple[tuple[type[AtsError], str], ...] = (
        (BadCredential, Cause.CREDENTIAL),
        (MissingPermission, Cause.FORBIDDEN),
        (NotSiteAdmin, Cause.FORBIDDEN),
        (MostMissing, Cause.FORBIDDEN),  # most likely
        (AtsDown, Cause.DOWN),
        (RateLimited, Cause.RATE_LIMIT),
    )
    return next((cause for kind, cause in causes if isinstance(error, kind)), Cause.UNREADABLE)


# -- how it ends ---------------------------------------------------------------------------------
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
    # Whoever changed the credential was.
    changed = SyncRun.objects.filter(status__in=SyncRun.OPEN, credential__isnull=False).exclude(
        credential__state=Credential.State.IN_USE
    )
    for sync in changed.select_related("connection"):
        if sync.connection.state in _READING:
            begun_anew(sync.connection)
    # A worker killed between a run's end and the connection's: nothing else would come by.
    waiting = Connection.objects.filter(state=Connection.State.SYNCING)
    for connection in waiting.exclude(syncs__status__in=SyncRun.OPEN):
        if plan.last_good(connection) is not None:
            standing.settle(connection, synced=True)


def read_people(connection: Connection) -> SyncRun:
    """Read people and their access now, in this process. An open reading of them is joined."""
    sync, _ = open_run(connection, by=None, scope=Scope.PEOPLE)
    run(sync)
    return sync
