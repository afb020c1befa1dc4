"""What is above a job's list: stages with their active applications, and the time to answer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.db.models import Count

from integrations.ats.types import ApplicationStatus
from portal.applications.actions.action_context import ActionContext
from portal.core.database.prepared_statements import use_prepared_statements
from portal.entitlements.rules import applications_on_jobs
from portal.jobs.answers.figures import WaitingCounts, build_waiting_aggregates
from portal.sync.models import Stage


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
        return sum(self.by_stage.values()) > self.waiting.decision_unknown


@use_prepared_statements()
def count_active(action_context: ActionContext) -> ActiveCounts:
    """The context's job must come from `visible_jobs`, or be that of a `visible_application`."""
    promise = action_context.promise
    active = applications_on_jobs([action_context.job_id], action_context.rights).filter(
        status=ApplicationStatus.ACTIVE
    )
    groups: Any = active.order_by().values("stage_id").annotate(count=Count("pk"))
    by_stage: dict[int | None, int] = {}
    waiting = WaitingCounts(promise)
    for group in groups.annotate(**build_waiting_aggregates(promise)):
        by_stage[group.pop("stage_id")] = group.pop("count")
        waiting += WaitingCounts(promise, **group)
    return ActiveCounts(by_stage, waiting)


def build_pipeline(action_context: ActionContext, counts: ActiveCounts) -> list[PipelineStage]:
    return [
        PipelineStage(stage, counts.by_stage.get(stage.pk, 0)) for stage in action_context.stages
    ]
