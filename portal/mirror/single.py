"""Reading one record again: after an action, for a web hook, for a page that was opened stale.

`ask` puts such a read on the queue; asking again while it waits changes nothing, asking while it is
being read has it read once more, since the read may have come too early. A record that Greenhouse
no longer has is marked gone: its answer names that record alone and is complete.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import F, Q, QuerySet
from django.utils import timezone

from integrations.ats import types as ats
from integrations.ats.errors import (
    AtsDown,
    AtsError,
    BadCredential,
    MissingPermission,
    NotFound,
    RateLimited,
)
from integrations.ats.port import Provider
from integrations.ats.wiring import Call, Lane
from portal.connections.models import Connection
from portal.connections.open import open_provider, speaking_with
from portal.core import queue
from portal.core.secrets import SecretUnreadable
from portal.mirror import freshness, guard, people, sync, write
from portal.mirror.models import (
    Application,
    Candidate,
    Job,
    JobPost,
    Mirrored,
    Opening,
    SingleRead,
    Stage,
)
from portal.mirror.reading import BEAT
from portal.mirror.steps import left_out
from portal.mirror.upsert import asked_at

READ = "portal.mirror.tasks.read_single"
MOST_TRIES = 5
MOST_PAGES = 20  # of one job's applications; the full sync reads the rest
MOST_SINGLES = 50  # applications that left a job, or whose candidates are unknown, read one by one
MOST_ASKED = 500  # of them: the others are put on the queue; beyond that they wait for the night

Kind = SingleRead.Kind
_STEPS = {Kind.APPLICATION: "applications", Kind.CANDIDATE: "candidates"}
_OFF = (Connection.State.DRAFT, Connection.State.PAUSED, Connection.State.DISCONNECTED)


# -- reading now ---------------------------------------------------------------------------------
def refresh_application(connection: Connection, provider: Provider, remote_id: int) -> Application:
    """Read one application and mirror it, with its job or candidate where we lack them.

    Raises AtsError; NotFound after marking the row here as gone, Ended where nothing was written.
    """
    asked = timezone.now()
    try:
        found = provider.get_application(remote_id)
    except NotFound:
        with asked_at(asked):
            write.mark_gone(connection, Application, [remote_id])
        _still(connection)
        raise
    with asked_at(asked):
        _fetch_parents(connection, provider, found)
        write.applications(connection, [found])
    return guard.written(Application.objects.filter(connection=connection, remote_id=remote_id))


def refresh_candidate(
    connection: Connection, remote_id: int, *, provider: Provider | None = None
) -> Candidate | None:
    """Read one candidate; one that Greenhouse no longer has is erased here, once what a merge may
    have moved to another was read. Raises AtsError.
    """
    if provider is None:
        with _asking(connection) as opened:
            return refresh_candidate(connection, remote_id, provider=opened)
    asked = timezone.now()
    try:
        found = provider.get_candidate(remote_id)
    except NotFound:
        _follow_what_moved(connection, provider, remote_id)
        people.erase(connection, [remote_id])
        _still(connection)
        return None
    with asked_at(asked):
        write.candidates(connection, [found])
    return guard.written(Candidate.objects.filter(connection=connection, remote_id=remote_id))


def _still(connection: Connection) -> None:
    """Raises Ended where what was to be written just now may not have been."""
    if not guard.allows(connection):
        raise guard.Ended


def _follow_what_moved(connection: Connection, provider: Provider, candidate_id: int) -> None:
    """Read the applications of a candidate who is gone: what is another's by now is a living
    person's. What may not be read, or cannot, is taken for the one's who is gone.
    """
    theirs = Application.objects.filter(
        connection=connection, candidate__remote_id=candidate_id, gone_at=None
    )
    for remote_id in list(theirs.values_list("remote_id", flat=True)):
        try:
            refresh_application(connection, provider, remote_id)
        except (AtsDown, RateLimited, BadCredential, guard.Ended):
            raise
        except AtsError:
            continue


def refresh_job(
    connection: Connection, remote_id: int, *, provider: Provider | None = None
) -> Job | None:
    """Read one job with its stages, posts, openings and applications. None where it is gone: then
    its applications are looked at, too, for they are gone with it or were moved elsewhere.

    What the credential may not read, or nothing switched on needs, is left as it is. Raises
    AtsError.
    """
    if provider is None:
        with _asking(connection) as opened:
            return refresh_job(connection, remote_id, provider=opened)
    began = timezone.now()
    try:
        found = provider.get_job(remote_id)
    except NotFound:
        with asked_at(began):
            write.mark_gone(connection, Job, [remote_id])
        _still(connection)
        if job := Job.objects.filter(connection=connection, remote_id=remote_id).first():
            _applications_of(connection, job, provider, began)
        return None
    if found.is_template:
        with asked_at(began):
            write.mark_gone(connection, Job, [remote_id])
        return None
    with transaction.atomic(), asked_at(began):
        write.jobs(connection, [found])
    job = guard.written(Job.objects.filter(connection=connection, remote_id=remote_id))
    unneeded = left_out(connection)
    with asked_at(began):
        _all_parts(connection, job, provider, unneeded)
    if "applications" in unneeded or _applications_of(connection, job, provider, began):
        Job.objects.filter(pk=job.pk).update(read_at=began)
        job.read_at = began
    return job


def _all_parts(
    connection: Connection, job: Job, provider: Provider, unneeded: Container[str]
) -> None:
    parts: dict[str, tuple[type[Mirrored], Callable[[int], ats.Listed[Any]], Callable[..., Any]]]
    parts = {
        "stages": (Stage, provider.stages_of_job, write.stages),
        "posts": (JobPost, provider.posts_of_job, write.posts),
        "openings": (Opening, provider.openings_of_job, write.openings),
    }
    for kind, (model, read, write_them) in parts.items():
        if kind not in unneeded:
            _parts(connection, job, model, read, write_them)


def refresh_people(connection: Connection) -> None:
    """Read users, their addresses and their job grants: who may see what.

    It is a run of its own kind; what went wrong stands there.
    """
    sync.read_people(connection)


@contextmanager
def _asking(
    connection: Connection, also: Callable[[Call], None] | None = None
) -> Iterator[Provider]:
    credential = connection.credential
    if credential is None:
        raise SecretUnreadable
    with speaking_with(credential):
        yield open_provider(credential, lane=Lane.SYNC, also=also)


def _fetch_parents(connection: Connection, provider: Provider, found: ats.Application) -> None:
    """The job, stage and candidate of an application, where they are not here yet."""
    if found.job_id is not None and not _here(connection, Job, found.job_id):
        _try(lambda: write.jobs(connection, [provider.get_job(found.job_id or 0)]))
    stage, person = found.stage_id, found.candidate_id
    if stage is not None and _lacks(connection, Stage, stage, "stages"):
        _try(lambda: write.stages(connection, provider.stages_of_job(found.job_id or 0)))
    if _lacks(connection, Candidate, person, "candidates"):
        _try(lambda: write.candidates(connection, [provider.get_candidate(person)]))


def _lacks(connection: Connection, model: type[Mirrored], remote_id: int, kind: str) -> bool:
    """Whether it is not here and something switched on needs it."""
    return not _here(connection, model, remote_id) and kind not in left_out(connection)


def _try(read: Callable[[], Any]) -> None:
    """What hangs on the record is no reason to fail: it may be forbidden, or gone already."""
    try:
        read()
    except (MissingPermission, NotFound):
        return


def _here(connection: Connection, model: type[Mirrored], remote_id: int) -> bool:
    rows = model._default_manager.filter(connection=connection, remote_id=remote_id, gone_at=None)
    return rows.exists()


def _parts(
    connection: Connection,
    job: Job,
    model: type[Mirrored],
    read: Callable[[int], ats.Listed[Any]],
    write_them: Callable[..., Any],
) -> None:
    """What belongs to the job alone: what its complete list no longer has is gone. Not what could
    not be read, nor what came meanwhile; where one could not even be named, it may be any.
    """
    began = timezone.now()
    try:
        records = read(job.remote_id)
    except MissingPermission:
        return
    write_them(connection, records)
    unread = [aside.remote_id for aside in records.set_aside]
    if None in unread:
        return
    here = {"job": job, "gone_at": None, "changed_at__lt": began}
    present = model._default_manager.filter(connection=connection, **here)
    kept = [*(record.id for record in records), *unread]
    lost = present.exclude(remote_id__in=kept).values_list("remote_id", flat=True)
    write.mark_gone(connection, model, list(lost))


def _applications_of(connection: Connection, job: Job, provider: Provider, began: Any) -> bool:
    """Mirror the job's applications; True when its list was read to the end."""
    seen: set[int] = set()
    names = _Names(connection, provider)
    try:
        for number, page in enumerate(provider.applications_of_job(job.remote_id), 1):
            mine = [one for one in page.records if one.job_id == job.remote_id]
            with asked_at(began):  # or later: what changed here since is newer, or read again
                names.fetch(mine)
                write.applications(connection, mine)
            seen.update(one.id for one in page.records)
            seen.update(aside.remote_id for aside in page.set_aside if aside.remote_id)
            if page.cursor is not None and number == MOST_PAGES:
                return False
    except MissingPermission:
        return False
    _follow_those_that_left(connection, job, provider, seen, began)
    return True


class _Names:
    """Who applied for a job, where they are unknown here: some are read one by one at once, some
    with their application by the queue.
    """

    def __init__(self, connection: Connection, provider: Provider) -> None:
        self._connection, self._provider = connection, provider
        self._unneeded = "candidates" in left_out(connection)
        self._fetched = 0

    def fetch(self, applications: Iterable[ats.Application]) -> None:
        """Before these are written."""
        if self._unneeded:
            return
        by_candidate = {one.candidate_id: one.id for one in applications}
        known = Candidate.objects.filter(connection=self._connection, remote_id__in=by_candidate)
        for remote_id in known.values_list("remote_id", flat=True):
            del by_candidate[remote_id]
        for candidate_id, application_id in by_candidate.items():
            if self._fetched < MOST_SINGLES:
                self._read(candidate_id)
            elif self._fetched < MOST_ASKED:
                ask(self._connection, Kind.APPLICATION, application_id)
            self._fetched += 1

    def _read(self, candidate_id: int) -> None:
        found = self._provider.get_candidate
        _try(lambda: write.candidates(self._connection, [found(candidate_id)]))


def _follow_those_that_left(
    connection: Connection, job: Job, provider: Provider, seen: set[int], began: Any
) -> None:
    """Applications that were here and are in the job's list no more: moved elsewhere, or gone."""
    present = Application.objects.filter(
        connection=connection, job=job, gone_at=None, changed_at__lt=began
    )
    lost = [one for one in present.values_list("remote_id", flat=True) if one not in seen]
    for remote_id in lost[:MOST_SINGLES]:
        try:
            refresh_application(connection, provider, remote_id)
        except NotFound:
            continue
    for remote_id in lost[MOST_SINGLES:MOST_ASKED]:
        ask(connection, Kind.APPLICATION, remote_id)


# -- asking for it -------------------------------------------------------------------------------
def ask(connection: Connection, kind: str, remote_id: int = 0) -> SingleRead:
    """Have a worker read this record soon. `remote_id` is of no meaning for `people`."""
    while True:
        wish = _renewed(connection, kind, remote_id) or _made(connection, kind, remote_id)
        if wish is not None:  # else it was fulfilled, or made by another, in between
            return wish


def _renewed(connection: Connection, kind: str, remote_id: int) -> SingleRead | None:
    """The wish that is there: while it is being read it is renewed, while it waits there is
    nothing to do.
    """
    known = SingleRead.objects.filter(connection=connection, kind=kind, remote_id=remote_id)
    wish = known.first()
    if wish is None or wish.taken_at is None:
        return wish
    taken = known.filter(pk=wish.pk, taken_at__isnull=False)
    return wish if taken.update(asked_at=timezone.now()) else None


def _made(connection: Connection, kind: str, remote_id: int) -> SingleRead | None:
    try:
        with transaction.atomic():
            wish = SingleRead.objects.create(connection=connection, kind=kind, remote_id=remote_id)
            queue.enqueue(READ, wish.pk)
    except IntegrityError:
        return None
    return wish


def refresh_if_stale(job: Job) -> bool:
    """Have a job read again in the background when what is here is old; True when it was asked."""
    if freshness.of(job.connection, job=job).state == freshness.State.LIVE:
        return False
    ask(job.connection, Kind.JOB, job.remote_id)
    return True


def read(wish_id: int) -> None:
    """Do what was asked for, once, whoever else was handed the same wish."""
    turn = _Turn.take(wish_id)
    if turn is None:
        return
    try:
        _read(turn)
    except (AtsDown, RateLimited, guard.Ended):
        turn.later()
    except (AtsError, SecretUnreadable):
        # Refused or unreadable: the sync will say so where people look.
        turn.mine().delete()
    else:
        turn.done()


class _Turn:
    """One worker's turn at a wish. `taken_at` is its sign of life: whoever holds another moment
    than the row has lost it to the next worker, and settles nothing any more.
    """

    def __init__(self, wish: SingleRead, began: datetime) -> None:
        self.wish, self._began, self._taken_at = wish, began, began

    @classmethod
    def take(cls, wish_id: int) -> _Turn | None:
        """The turn; None where another one has it, or it was fulfilled."""
        now = timezone.now()
        free = SingleRead.objects.filter(pk=wish_id, taken_at=None)
        if not free.update(taken_at=now, tries=F("tries") + 1):
            return None
        return cls(SingleRead.objects.select_related("connection").get(pk=wish_id), now)

    def mine(self) -> QuerySet[SingleRead]:
        return SingleRead.objects.filter(pk=self.wish.pk, taken_at=self._taken_at)

    def heard_from(self, call: Call) -> None:
        """A request was answered: a long read is not handed to the next worker."""
        now = timezone.now()
        if now - self._taken_at > BEAT and self.mine().update(taken_at=now):
            self._taken_at = now

    def done(self) -> None:
        """Fulfilled; read once more where it was asked for meanwhile."""
        if self.mine().filter(asked_at__lte=self._began).delete()[0]:
            return
        if self.mine().update(taken_at=None, tries=0):
            queue.enqueue(READ, self.wish.pk)

    def later(self) -> None:
        """Leave it to the sweep; give it up after some tries, since a sync will bring it."""
        if self.wish.tries >= MOST_TRIES:
            self.mine().delete()
        else:
            self.mine().update(taken_at=None)


def _read(turn: _Turn) -> None:
    wish, connection = turn.wish, turn.wish.connection
    if connection.state in _OFF or connection.emptying or connection.credential is None:
        return
    if _STEPS.get(Kind(wish.kind), "") in left_out(connection):
        return
    if wish.kind == Kind.PEOPLE:
        refresh_people(connection)
        return
    with _asking(connection, also=turn.heard_from) as provider:
        if wish.kind == Kind.JOB:
            refresh_job(connection, wish.remote_id, provider=provider)
        elif wish.kind == Kind.CANDIDATE:
            refresh_candidate(connection, wish.remote_id, provider=provider)
        else:
            _try(lambda: refresh_application(connection, provider, wish.remote_id))


def sweep() -> None:
    """Ask again for what was lost on the way or has to be tried again."""
    quiet = timezone.now() - sync.silent_after()
    SingleRead.objects.filter(taken_at__lt=quiet).update(taken_at=None)
    waiting = SingleRead.objects.filter(Q(asked_at__lt=timezone.now() - timedelta(minutes=1)))
    for pk in waiting.filter(taken_at=None).values_list("pk", flat=True)[:200]:
        queue.enqueue(READ, pk)
