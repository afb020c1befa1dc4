"""The stages of a job with their active applications, above its list."""

from __future__ import annotations

from dataclasses import dataclass

from django.db.models import Count

from integrations.ats.types import ApplicationStatus
from portal.applications.actions.action_context import ActionContext
from portal.entitlements.rules import visible_applications
from portal.sync.models import Stage


@dataclass(frozen=True)
class PipelineStage:
    stage: Stage
    count: int


def build_pipeline(action_context: ActionContext) -> list[PipelineStage]:
    applications = visible_applications(
        action_context.member, member_rights=action_context.rights
    ).filter(job=action_context.job_id, status=ApplicationStatus.ACTIVE)
    counts = dict(applications.order_by().values_list("stage_id").annotate(Count("id")))
    return [PipelineStage(stage, counts.get(stage.pk, 0)) for stage in action_context.stages]
