"""The sync worker: reads a run step by step, writing each page together with its checkpoint."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from django.db import transaction
from django.db.models import F, QuerySet
from django.utils import timezone

from integrations.ats.client_context import ApiCallRecord, Lane
from integrations.ats.errors import (
    AtsError,
    AtsUnavailable,
    Conflict,
    InvalidValues,
    MissingPermission,
    NotSiteAdmin,
    RateLimited,
    UnreadableResponse,
)
from integrations.ats.types import Page
from integrations.greenhouse.provider import Provider
from portal.connections.call_log import CallLog
from portal.connections.client import open_provider
from portal.connections.permissions import monitor, unread_lists
from portal.core import queue
from portal.core.database.compiled_queries import compile_once
from portal.core.database.outages import DATABASE_AWAY
from portal.core.secrets.secret_field import SecretUnreadable
from portal.sync.engine import grant_readers, page_statements, plan
from portal.sync.engine.grant_readers import UserSelection
from portal.sync.engine.record_isolation import (
    WriteRecords,
    report_unreadable_records,
    resolve_unreadable_records,
    set_aside_records,
    write_separately,
    write_together,
)
from portal.sync.engine.steps import STEPS, ReadPosition, StepDefinition
from portal.sync.engine.unchanged_records import UnchangedRecords
from portal.sync.engine.upsert import WriteResult, written_as_of
from portal.sync.integrity import drift, mass_deletion_guard, missing_rows
from portal.sync.integrity.mass_deletion_guard import MassDeletionSuspected
from portal.sync.models import Candidate, SyncRun, SyncStep
from portal.sync.records import candidate_erasure

HEARTBEAT_INTERVAL = timedelta(seconds=20)
# Of one list, over all turns: a list that never ends is refused.
MAX_PAGES = 20_000


class LeaseLost(Exception):
    """Another worker claimed the run, or it ended: this worker must not write."""


class TurnOver(Exception):
    """The run continues in another task."""


class SyncWorker:
    def __init__(self, sync: SyncRun) -> None:
        self.sync = sync
        self.connection = sync.connection
        self._turn = queue.TaskTurn()
        self._requests = 0
        self._last_heartbeat = timezone.now()
        self._steps = {step.kind: step for step in _load_steps(sync.pk)}

    def run_remaining_steps(self) -> None:
        """Run the open steps; a step that Greenhouse does not permit is refused, the others go on.

        Raises LeaseLost, TurnOver, SecretUnreadable, AtsError or MassDeletionSuspected.
        """
        credential = self.sync.credential
        if credential is None:
            raise SecretUnreadable
        log = CallLog(self.connection.pk, self._record_heartbeat, is_batched=True)
        provider = open_provider(credential, lane=Lane.SYNC, log=log.record_call)
        try:
            self._run_open_steps(provider)
        finally:
            log.write_rows()

    def _run_open_steps(self, provider: Provider) -> None:
        has_worked = False
        for definition in STEPS:
            step = self._steps.get(definition.kind)
            if step is not None and step.is_open:
                if has_worked:
                    self._end_turn_if_over()
                has_worked = True
                try:
                    self._run_step(definition, step, provider)
                except MassDeletionSuspected as error:  # raised at the end: others go on
                    mass_deletion_guard.raise_alert(self.connection, definition, error)
        for step in self._steps.values():
            if step.status == SyncStep.Status.FAILED:  # maybe in an earlier task of this run
                raise MassDeletionSuspected(step.failure)
        if self.sync.scope == SyncRun.Scope.FULL:
            self._erase_gone()

    def _record_heartbeat(self, call: ApiCallRecord) -> None:
        self._requests += 1
        now = timezone.now()
        if now - self._last_heartbeat > HEARTBEAT_INTERVAL:
            self._last_heartbeat = now
            self._renew_lease()

    def _renew_lease(self) -> None:
        _require_lease(page_statements.renew_lease(self.sync, timezone.now()))

    def _run_step(self, definition: StepDefinition, step: SyncStep, provider: Provider) -> None:
        self._begin_step(definition, step, provider)
        try:
            if not step.at_end:
                self._read_pages(definition, step, provider)
            if provider.pages_may_shift:
                self._recheck_missing(definition, step, provider)
            self._complete_step(definition, step)
        except (MissingPermission, NotSiteAdmin) as error:
            self._end_step(step, SyncStep.Status.REFUSED, failure=error.sentence)
            mass_deletion_guard.close_alert(self.connection, definition)
            monitor.recheck_after_refusal(self.connection, getattr(error, "permission", ""))
            return
        except (InvalidValues, Conflict) as error:  # a 422
            is_tolerated = definition.is_supplementary
            status = SyncStep.Status.REFUSED if is_tolerated else SyncStep.Status.FAILED
            self._end_step(step, status, failure=error.sentence[:300])
            if not is_tolerated:
                raise
        except (AtsUnavailable, RateLimited):
            raise  # the step stays open: the run may go on later
        except AtsError as error:
            self._end_step(step, SyncStep.Status.FAILED, failure=error.sentence)
            raise

    def fail_running_step(self, sentence: str) -> None:
        for step in self._steps.values():
            if step.status == SyncStep.Status.RUNNING:
                self._end_step(step, SyncStep.Status.FAILED, failure=sentence)

    @transaction.atomic
    def _erase_gone(self) -> None:
        self._renew_lease()
        # By now the sync has read the applications that merges moved to other candidates.
        candidate_erasure.erase_gone_candidates(
            Candidate.objects.filter(connection=self.connection)
        )

    def _begin_step(self, definition: StepDefinition, step: SyncStep, provider: Provider) -> None:
        _require_lease(page_statements.begin_step(self.sync, step, timezone.now()))
        if definition.select_users is not None and step.user_ids is None:
            # Stored, so that the next worker goes on with the same list.
            self._store_users(step, definition.select_users(self.sync, provider))

    @transaction.atomic
    def _store_users(self, step: SyncStep, selected: UserSelection) -> None:
        self._renew_lease()
        _update_step(step, SyncStep.Status.RUNNING, **vars(selected))

    def _read_pages(self, definition: StepDefinition, step: SyncStep, provider: Provider) -> None:
        position = ReadPosition(
            since=step.since,
            cursor=step.cursor or None,
            user_ids=step.user_ids or (),
            members_only=step.members_only,
            changes=self._build_change_filter(definition, step),
        )
        started, requested_at = time.monotonic(), timezone.now()
        self._requests = 0
        for page in definition.read(provider, self.connection, position):
            with written_as_of(requested_at):
                self._write_page(definition, step, page, started)
            started, requested_at = time.monotonic(), timezone.now()
            self._requests = 0
            if page.cursor is not None and step.pages >= MAX_PAGES:
                raise UnreadableResponse("Greenhouse's list has no end.")
            if page.cursor is not None:
                self._end_turn_if_over()

    def _end_turn_if_over(self) -> None:
        if self._turn.is_over():
            raise TurnOver

    def _build_change_filter(
        self, definition: StepDefinition, step: SyncStep
    ) -> UnchangedRecords | None:
        if definition.get_unchanged_context is None or definition.model is None:
            return None
        return UnchangedRecords(
            self.connection,
            definition.model,
            definition.get_unchanged_context(self.connection),
            credential_kind=self.sync.credential.kind if self.sync.credential else "",
            is_whole=step.since is None,
        )

    def _recheck_missing(
        self, definition: StepDefinition, step: SyncStep, provider: Provider
    ) -> None:
        # Numbered pages may have hidden records from the first read.
        step.refresh_from_db()
        missing = missing_rows.find_possibly_hidden_rows(self.connection, definition, step)
        if not missing:
            return
        requested_at = timezone.now()
        remaining = missing_rows.fetch_remaining_records(
            self.connection, definition, provider, missing
        )
        if remaining is not None:
            with written_as_of(requested_at):
                self._write_remaining(definition, step, remaining)
        elif not step.was_reread:
            self._restart_step(step, was_reread=True)
            self._read_pages(definition, step, provider)

    @transaction.atomic
    def _write_remaining(
        self, definition: StepDefinition, step: SyncStep, remaining: Sequence[Any]
    ) -> None:
        self._renew_lease()
        _, failed = write_separately(definition, self.connection, remaining)
        page = set_aside_records(Page(records=tuple(remaining)), failed)
        self._report_unreadable(definition, step, page)
        missing_rows.record_unidentified_records(definition, step, page)
        page_statements.store_listed_keys(step, missing_rows.collect_listed_keys(definition, page))
        SyncStep.objects.filter(pk=step.pk).update(
            read_count=F("read_count") + len(remaining), requests=F("requests") + self._requests
        )

    @transaction.atomic
    def _restart_step(self, step: SyncStep, **fields: Any) -> None:
        self._renew_lease()
        fields |= {"restarted": True, "cursor": "", "at_end": False}
        SyncStep.objects.filter(pk=step.pk).update(
            pages=0, read_count=0, unchanged=0, unreadable_count=0, unreadable_ids=[], **fields
        )
        step.refresh_from_db()

    def _write_page(
        self, definition: StepDefinition, step: SyncStep, page: Page[Any], started: float
    ) -> None:
        if page.has_only_unchanged_records:
            self._save_page(definition, step, page, WriteResult(), started)
            return
        try:
            self._write_changed_page(definition, step, page, started, write=write_together)
        except (LeaseLost, AtsError, *DATABASE_AWAY):
            raise
        except Exception:  # noqa: BLE001  # of one record, or it is raised again
            self._write_changed_page(definition, step, page, started, write=write_separately)

    def _save_page(
        self,
        definition: StepDefinition,
        step: SyncStep,
        page: Page[Any],
        written: WriteResult,
        started: float,
        *,
        gone: int = 0,
    ) -> None:
        is_whole = step.since is None
        has_lease = page_statements.save_page(
            self.sync,
            step,
            timezone.now(),
            keys=missing_rows.collect_listed_keys(definition, page) if is_whole else b"",
            **self._build_checkpoint(step, page, written, started, gone=gone),
        )
        _require_lease(has_lease)

    @transaction.atomic
    def _write_changed_page(
        self,
        definition: StepDefinition,
        step: SyncStep,
        page: Page[Any],
        started: float,
        *,
        write: WriteRecords,
    ) -> None:
        if page.restarted:
            page_statements.delete_listed_keys(step)
            self._restart_step(step)
        snapshot = drift.snapshot_applications(self.sync, step, self.connection, page)
        written, failed = write(definition, self.connection, page.records)
        page = set_aside_records(page, failed)
        drift.record_drift(self.sync, self.connection, page, written, snapshot)
        if step.since is None:
            missing_rows.record_unidentified_records(definition, step, page)
        gone = missing_rows.remove_unlisted_grants(self.connection, page)
        self._report_unreadable(definition, step, page)
        self._save_page(definition, step, page, written, started, gone=gone)

    def _report_unreadable(
        self, definition: StepDefinition, step: SyncStep, page: Page[Any]
    ) -> None:
        if page.set_aside:
            report_unreadable_records(self.connection, definition, step, page.set_aside)

    def _build_checkpoint(
        self, step: SyncStep, page: Page[Any], written: WriteResult, started: float, *, gone: int
    ) -> dict[str, Any]:
        created, changed = len(written.created), len(written.changed)
        step.pages += 1
        skipped = len(page.unchanged_ids)
        return {
            "pages": step.pages,
            "cursor": page.cursor,
            "added": {
                "read_count": len(page.records) + skipped,
                "created": created,
                "changed": changed,
                "gone": gone,
                "unchanged": max(0, written.record_count - created - changed) + skipped,
                "unreadable_count": len(page.set_aside),
                "requests": self._requests,
                "milliseconds": round(1000 * (time.monotonic() - started)),
            },
        }

    @transaction.atomic
    def _complete_step(self, definition: StepDefinition, step: SyncStep) -> None:
        self._renew_lease()
        page_statements.reload_step(step)
        is_whole = step.since is None
        is_complete = is_whole and not step.has_unidentified_records
        if is_whole and not step.unreadable_count:
            resolve_unreadable_records(self.connection, definition)
        if is_complete:
            step.gone += missing_rows.remove_missing_rows(self.connection, definition, step)
        if definition.select_users is not None and self.sync.scope == SyncRun.Scope.FULL:
            grant_readers.record_access_read(self.connection, step)
        if is_whole:
            page_statements.delete_listed_keys(step)
        if step.restarted:  # the second read sees rows of the first as unchanged
            step.unchanged = max(0, step.read_count - step.created - step.changed)
        page_statements.finish_step(step, timezone.now())
        if is_whole and not definition.has_referrers:
            unread_lists.mark_read(self.connection, {step.kind})
        if definition.kind == "jobs" and step.created and self.sync.scope == SyncRun.Scope.RECENT:
            self._steps |= {new.kind: new for new in plan.add_steps_for_new_jobs(self.sync)}

    def _end_step(self, step: SyncStep, status: str, **fields: Any) -> None:
        self._renew_lease()
        page_statements.delete_listed_keys(step)
        SyncStep.objects.filter(pk=step.pk).update(requests=F("requests") + self._requests)
        _update_step(step, status, finished_at=timezone.now(), user_ids=None, **fields)


@compile_once
def _load_steps(run_id: int) -> QuerySet[SyncStep]:
    return SyncStep.objects.filter(run=run_id)


def _require_lease(has_lease: bool) -> None:
    if not has_lease:
        raise LeaseLost


def _update_step(step: SyncStep, status: str, **fields: Any) -> None:
    SyncStep.objects.filter(pk=step.pk).update(status=status, **fields)
    for name, value in {"status": status, **fields}.items():
        setattr(step, name, value)
