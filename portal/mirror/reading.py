"""One worker's turn at a run: step by step, page by page.

A page is written together with the place to go on from, by the worker that holds the run and by no
other. A step that Greenhouse does not permit is `refused` and the rest goes on. Records are marked
gone only by a step that read its whole list to the end.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from django.db import transaction
from django.db.models import F
from django.utils import timezone

from integrations.ats.errors import AtsError, MissingPermission, NotSiteAdmin
from integrations.ats.port import Provider
from integrations.ats.types import Page
from integrations.ats.wiring import Call, Lane
from portal.connections import drift
from portal.connections.open import open_provider
from portal.core.secrets import SecretUnreadable
from portal.mirror import doubt, lost, people, plan, slipped
from portal.mirror.doubt import MostMissing
from portal.mirror.models import Candidate, SyncRun, SyncStep
from portal.mirror.steps import STEPS, From, Step
from portal.mirror.upsert import Written, asked_at

BEAT = timedelta(seconds=20)
# A worker gives a long run back to the queue after this long, well within the queue's own limit.
SLICE = timedelta(minutes=20)


class LeaseLost(Exception):
    """Another worker has the run by now, or it was ended: this one must not write any more."""


class TimeUp(Exception):
    """The run goes on in another task."""


class Reading:
    """One worker's turn at a run that it holds."""

    def __init__(self, sync: SyncRun) -> None:
        self.sync = sync
        self.connection = sync.connection
        self._until = time.monotonic() + SLICE.total_seconds()
        self._requests = 0
        self._heard = timezone.now()
        self._steps = {step.kind: step for step in sync.steps.all()}

    def everything(self) -> None:
        """Read what is still to be read. Raises LeaseLost, TimeUp, SecretUnreadable or AtsError;
        MostMissing only at the end: a list that is doubted holds up no other.
        """
        credential = self.sync.credential
        if credential is None:
            raise SecretUnreadable
        provider = open_provider(credential, lane=Lane.SYNC, also=self._heard_from)
        for definition in STEPS:
            step = self._steps.get(definition.kind)
            if step is not None and step.is_open:
                try:
                    self._take_step(definition, step, provider)
                except MostMissing as error:
                    doubt.tell(self.connection, definition, error)
        for step in self._steps.values():
            if step.status == SyncStep.Status.FAILED:  # in an earlier task of this run, perhaps
                raise MostMissing(step.failure)
        if self.sync.scope == SyncRun.Scope.FULL:
            self._erase_gone()

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
            self._close(definition, step)
        except (MissingPermission, NotSiteAdmin) as error:
            self._end(step, SyncStep.Status.REFUSED, failure=error.sentence)
            doubt.over(self.connection, definition)
            drift.permission_refused(self.connection, getattr(error, "permission", ""))
            return
        except AtsError as error:
            self._end(step, SyncStep.Status.FAILED, failure=error.sentence)
            raise

    @transaction.atomic
    def _erase_gone(self) -> None:
        """Candidates whom the list lacked: what a merge moved to another has been read by now."""
        if not self._mine().update(heard_at=timezone.now()):
            raise LeaseLost
        people.erase_gone(Candidate.objects.filter(connection=self.connection))

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
        """The list was read to its end. Raises MostMissing, and nothing has happened then."""
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
        if definition.kind == "jobs" and step.created and self.sync.scope == SyncRun.Scope.RECENT:
            self._steps |= {new.kind: new for new in plan.for_new_jobs(self.sync)}

    def _end(self, step: SyncStep, status: str, **fields: Any) -> None:
        """Refused or failed, unless it is somebody else's by now."""
        if not self._mine().update(heard_at=timezone.now()):
            raise LeaseLost
        step.seen_pages.all().delete()
        asked = F("requests") + self._requests  # what was answered with a refusal counts, too
        SyncStep.objects.filter(pk=step.pk).update(requests=asked)
        _mark(step, status, finished_at=timezone.now(), **fields)


def _mark(step: SyncStep, status: str, **fields: Any) -> None:
    SyncStep.objects.filter(pk=step.pk).update(status=status, **fields)
    for name, value in {"status": status, **fields}.items():
        setattr(step, name, value)
