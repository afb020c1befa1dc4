"""What is above a job's list: stages with their active applications, and the time to answer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Count, QuerySet

from integrations.ats.types import ApplicationStatus
from portal.applications.actions.action_context import ActionContext
from portal.core.database.compiled_queries import compile_once
from portal.core.database.prepared_statements import use_prepared_statements
from portal.entitlements.rules import public_applications
from portal.jobs.answers.figures import WaitingCounts, build_waiting_aggregates
from portal.sync.models import Application, Stage


@dataclass(frozen=True)
class PipelineStage:
    stage: Stage
    count: int


@dataclass(frozen=True)
class ActiveCounts:
    """Of the active applications on a job."""

    by_stage: Mapping[int | None, int]
    waiting: WaitingCounts

    @property
    def knows_decisions(self) -> bool:
        """Whether Greenhouse says of any whether it needs a decision."""
        return self.total > self.waiting.decision_unknown

    @property
    def total(self) -> int:
        return sum(self.by_stage.values())


@use_prepared_statements()
def count_active(action_context: ActionContext) -> ActiveCounts:
    """The context's job must come from `visible_jobs`, or be that of a `visible_application`."""
    promise = action_context.promise
    groups = _count_by_stage(
        action_context.job_id,
        promise.find_overdue_limit(),
        unavailable=frozenset(action_context.rights.features.unavailable),
    )
    by_stage: dict[int | None, int] = {}
    waiting = WaitingCounts(promise)
    for stage_id, count, *waiting_counts in groups:
        by_stage[stage_id] = count
        waiting += WaitingCounts(promise, *waiting_counts)
    return ActiveCounts(by_stage, waiting)


@compile_once
def _count_by_stage(
    job_id: int, overdue_limit: datetime, *, unavailable: frozenset[str]
) -> QuerySet[Application, tuple[Any, ...]]:
    active = public_applications(unavailable).filter(job=job_id, status=ApplicationStatus.ACTIVE)
    return (
        active.order_by()
        .values_list("stage_id")
        .annotate(count=Count("pk"), **build_waiting_aggregates(overdue_limit))
    )


def build_pipeline(action_context: ActionContext, counts: ActiveCounts) -> list[PipelineStage]:
    return [
        PipelineStage(stage, counts.by_stage.get(stage.pk, 0)) for stage in action_context.stages
    ]
