"""Which lists a sync reads, and since when each is asked for changes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Max, Q, QuerySet, Subquery
from django.utils import timezone

from portal.connections.models import Connection
from portal.connections.permissions.features import load_features
from portal.core.database.compiled_queries import compile_once
from portal.sync.engine.steps import EVERY_SYNC, STEPS, StepDefinition
from portal.sync.models import AtsRole, JobGrant, SyncRun, SyncStep

# Subtracted from the last read time: clocks differ, and pages take time to read.
OVERLAP = timedelta(minutes=10)

Scope = SyncRun.Scope
_Status = SyncStep.Status


def build_plan(connection: Connection, scope: str) -> tuple[str, list[SyncStep]]:
    """Return the scope and the unsaved steps of a new run."""
    now, statuses = timezone.now(), list(_load_list_statuses(connection))
    has_unknown_roles = scope == Scope.PEOPLE and _has_unknown_roles(connection)
    # Stored records lack what refers to a skipped list: once it is needed, all are read again.
    if scope == Scope.RECENT and any(
        status.is_needed_again for status in statuses if not status.definition.people
    ):
        scope = Scope.FULL
    steps = [
        status.build_step(scope)
        for status in statuses
        if status.is_due(scope, now) or (has_unknown_roles and status.definition.kind == "roles")
    ]
    expected = _get_expected_counts(connection)
    for step in steps:
        step.expected = expected.get(step.kind)
    return scope, steps


def list_skipped_lists(connection: Connection, steps: Iterable[SyncStep]) -> dict[str, list[str]]:
    """Return the skipped lists among these steps, each with the features that are off."""
    skipped_kinds = {step.kind for step in steps if step.status == _Status.SKIPPED}
    if not skipped_kinds:
        return {}
    feature_set = load_features(connection)
    return {
        step.kind: step.list_disabled_features(feature_set)
        for step in STEPS
        if step.kind in skipped_kinds
    }


def list_granted_scopes(connection: Connection) -> set[str]:
    """Return the scopes of sync that read the lists granted since they were skipped."""
    if not _find_skipped_step(connection.pk):  # mostly: quicker than what decides about each list
        return set()
    return {
        Scope.PEOPLE if status.decides_access else Scope.RECENT
        for status in _load_list_statuses(connection)
        if status.is_needed_again
    }


@compile_once
def _find_skipped_step(connection_id: int) -> QuerySet[SyncStep, int]:
    steps = SyncStep.objects.filter(run__connection=connection_id, status=_Status.SKIPPED)
    return steps.order_by().values_list("pk", flat=True)[:1]


def add_steps_for_new_jobs(run: SyncRun) -> Iterator[SyncStep]:
    existing_kinds = set(run.steps.values_list("kind", flat=True))
    for status in _load_list_statuses(run.connection):
        if status.definition.follows_new_jobs and status.definition.kind not in existing_kinds:
            step = status.build_step(run.scope)
            step.run = run
            step.save()
            yield step


@dataclass(frozen=True)
class _ListStatus:
    definition: StepDefinition
    skip_reason: str  # empty if needed
    read_at: datetime | None = None  # last complete read
    was_skipped: bool = False  # by the last run that planned it
    decides_access: bool = False

    def is_due(self, scope: str, now: datetime) -> bool:
        step = self.definition
        if scope == Scope.FULL:
            return True
        if self.decides_access != (scope == Scope.PEOPLE):
            return False
        if self.is_needed_again:
            return True
        interval = step.refresh_interval
        if scope == Scope.PEOPLE:
            interval = step.people_interval or EVERY_SYNC
        if interval is None:
            return False
        return not interval or self.read_at is None or self.read_at + interval <= now

    @property
    def is_needed_again(self) -> bool:
        return self.was_skipped and not self.skip_reason

    def build_step(self, scope: str) -> SyncStep:
        kind, reason = self.definition.kind, self.skip_reason[:300]
        if reason:
            return SyncStep(kind=kind, status=_Status.SKIPPED, skip_reason=reason)
        return SyncStep(kind=kind, since=self._get_changed_since(scope))

    def _get_changed_since(self, scope: str) -> datetime | None:
        if scope != Scope.RECENT or not self.definition.supports_since or self.read_at is None:
            return None
        return self.read_at - OVERLAP


def get_changed_since(connection: Connection, kind: str) -> datetime | None:
    """Since when to ask for changes of this list; None if it was never read."""
    read_at = next(iter(_find_last_read(connection.pk, kind)), None)
    return read_at and read_at - OVERLAP


@compile_once
def _find_last_read(connection_id: int, kind: str) -> QuerySet[SyncStep, datetime | None]:
    done = SyncStep.objects.filter(
        run__connection=connection_id, run__started_at__isnull=False, kind=kind,
        status=_Status.DONE,
    )  # fmt: skip
    return done.order_by("-run__started_at").values_list("run__started_at", flat=True)[:1]


def _load_list_statuses(connection: Connection) -> Iterator[_ListStatus]:
    feature_set, history = load_features(connection), _load_read_history(connection)
    for step in STEPS:
        read_at, was_skipped = history.get(step.kind, (None, False))
        yield _ListStatus(
            step,
            step.explain_unneeded(feature_set),
            read_at,
            was_skipped,
            decides_access=step.people or step.stands_in_for in feature_set.unavailable,
        )


def _load_read_history(connection: Connection) -> dict[str, tuple[datetime | None, bool]]:
    """Per kind: when it was last read, and whether it was skipped since its last attempt."""
    # A refused step counts as attempted even if a check had found it granted: one retry is enough.
    done, skipped = Q(status=_Status.DONE), Q(status=_Status.SKIPPED)
    attempted = done | Q(status=_Status.REFUSED)
    steps = SyncStep.objects.filter(attempted | skipped, run__connection=connection).order_by()
    rows = steps.values_list("kind").annotate(
        read_at=Max("run__started_at", filter=done),
        attempted_run=Max("run", filter=attempted),
        skipped_run=Max("run", filter=skipped),
    )
    return {
        kind: (at, (skipped_run or 0) > (attempted_run or 0))
        for kind, at, attempted_run, skipped_run in rows
    }


def _has_unknown_roles(connection: Connection) -> bool:
    # A grant with an unknown role may open nothing until the role is read.
    roles = AtsRole.objects.filter(connection=connection, gone_at=None).values("remote_id")
    grants = JobGrant.objects.filter(connection=connection, gone_at=None)
    return grants.exclude(role_remote_id=None).exclude(role_remote_id__in=roles).exists()


def _get_expected_counts(connection: Connection) -> dict[str, int]:
    last = get_last_successful_run(connection, scope=Scope.FULL)
    steps = last.steps.filter(status=_Status.DONE) if last else SyncStep.objects.none()
    return dict(steps.values_list("kind", "read_count"))


def load_newest_runs(connection: Connection) -> dict[str, SyncRun]:
    """Return the newest completed run of each scope."""
    ended = connection.syncs.filter(status__in=SyncRun.COMPLETED)
    newest = Q(pk__in=())
    for scope in Scope:
        newest |= Q(pk=Subquery(ended.filter(scope=scope).values("pk")[:1]))
    return {run.scope: run for run in connection.syncs.filter(newest)}


def get_last_successful_run(connection: Connection, *, scope: str | None = None) -> SyncRun | None:
    """Return the newest completed run; runs for people only count if asked for by `scope`."""
    ended = connection.syncs.filter(status__in=SyncRun.COMPLETED)
    if scope is not None:
        return ended.filter(scope=scope).first()
    return ended.exclude(scope=Scope.PEOPLE).first()
