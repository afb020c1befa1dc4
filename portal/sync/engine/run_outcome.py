"""How a sync run ended, and the monitors that judge every ended run."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from django.db.models import QuerySet
from django.utils import timezone

from integrations.ats.errors import (
    AtsError,
    AtsUnavailable,
    BadCredential,
    MissingPermission,
    NotSiteAdmin,
    RateLimited,
)
from portal.connections import connection_state
from portal.connections.permissions import unread_lists
from portal.core import transitions
from portal.core.database.compiled_queries import compile_once
from portal.sync import alerts
from portal.sync.engine import plan
from portal.sync.engine.steps import ESSENTIAL_KINDS, OPTIONAL_KINDS, SUPPLEMENTARY_KINDS
from portal.sync.integrity import drift
from portal.sync.integrity.mass_deletion_guard import MassDeletionSuspected
from portal.sync.models import SyncRun, SyncStep

_CAUSES: tuple[tuple[type[AtsError], str], ...] = (
    (BadCredential, SyncRun.Cause.CREDENTIAL),
    (MissingPermission, SyncRun.Cause.FORBIDDEN),
    (NotSiteAdmin, SyncRun.Cause.FORBIDDEN),
    (MassDeletionSuspected, SyncRun.Cause.MASS_DELETION),
    (AtsUnavailable, SyncRun.Cause.DOWN),
    (RateLimited, SyncRun.Cause.RATE_LIMIT),
)


@dataclass(frozen=True)
class RunOutcome:
    """`cause` is empty unless the run failed; `why` is then the sentence people read."""

    status: str
    why: str
    cause: str = ""


def build_failure(cause: str, sentence: str) -> RunOutcome:
    return RunOutcome(SyncRun.Status.FAILED, sentence, cause)


def build_failure_from_error(error: AtsError, sentence: str = "") -> RunOutcome:
    causes = (cause for kind, cause in _CAUSES if isinstance(error, kind))
    cause = next(causes, SyncRun.Cause.UNREADABLE)
    return build_failure(cause, sentence or error.sentence)


def judge_steps(sync: SyncRun) -> RunOutcome:
    """Return the outcome of a run whose steps have all ended."""
    refused = _list_refused_steps(sync.pk)
    for step in refused:
        if step.kind in ESSENTIAL_KINDS:
            return build_failure(SyncRun.Cause.FORBIDDEN, step.failure)
    if refused:
        return RunOutcome(SyncRun.Status.PARTIAL, "some lists could not be read")
    return RunOutcome(SyncRun.Status.DONE, "every list was read")


@compile_once
def _list_refused_steps(run_id: int) -> QuerySet[SyncStep]:
    refused = SyncStep.objects.filter(run=run_id, status=SyncStep.Status.REFUSED)
    return refused.exclude(kind__in=OPTIONAL_KINDS)


def end_run(sync: SyncRun, outcome: RunOutcome) -> None:
    """Store the outcome and let each monitor judge the run, unless somebody else ended it."""
    fields = {"failure": outcome.why[:300], "cause": outcome.cause} if outcome.cause else {}
    if transitions.try_move(
        sync, outcome.status, why=outcome.why, finished_at=timezone.now(), **fields
    ):
        for judge_run in MONITORS:
            judge_run(sync)


def _mark_lists_read(sync: SyncRun) -> None:
    if sync.status in SyncRun.COMPLETED and sync.connection.unread_lists:
        unread_lists.mark_read(sync.connection, _list_read_kinds(sync.steps.all()))


def _list_read_kinds(steps: Iterable[SyncStep]) -> set[str]:
    """Lists that were read whole, or that a sync does without if Greenhouse refuses them."""
    return {
        step.kind
        for step in steps
        if (step.status == SyncStep.Status.DONE and step.since is None)
        or (step.status == SyncStep.Status.REFUSED and step.kind in SUPPLEMENTARY_KINDS)
    }


def _update_alerts(sync: SyncRun) -> None:
    alerts.update_alerts(sync.connection)


def _update_connection_state(sync: SyncRun) -> None:
    if sync.scope != SyncRun.Scope.PEOPLE:
        is_synced = sync.status in SyncRun.COMPLETED or bool(
            plan.get_last_successful_run(sync.connection)
        )
        connection_state.update_state(sync.connection, synced=is_synced)


# In this order: the state follows from the lists read and the alerts' permission checks.
MONITORS: tuple[Callable[[SyncRun], None], ...] = (
    _mark_lists_read,
    drift.report_drift,
    _update_alerts,
    _update_connection_state,
)
