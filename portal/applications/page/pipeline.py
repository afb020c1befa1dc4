"""What is above a job's list: stages with their active applications, and the time to answer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.db.models import Count, QuerySet

from integrations.ats.types import ApplicationStatus
from portal.applications.actions.action_context import ActionContext
from portal.entitlements.rules import visible_applications
from portal.jobs.answers.figures import load_waiting_counts
from portal.sync.models import Application, Stage


@dataclass(frozen=True)
class PipelineStage:
    stage: Stage
    count: int


def build_pipeline(action_context: ActionContext) -> list[PipelineStage]:
    applications = _list_visible(action_context).filter(status=ApplicationStatus.ACTIVE)
    counts = dict(applications.order_by().values_list("stage_id").annotate(Count("id")))
    return [PipelineStage(stage, counts.get(stage.pk, 0)) for stage in action_context.stages]


def build_answer_line(action_context: ActionContext) -> dict[str, Any]:
    """The context of `jobs/_answer_line.html`."""
    applications = _list_visible(action_context)
    return {"waiting": load_waiting_counts(applications, action_context.promise)}


def _list_visible(action_context: ActionContext) -> QuerySet[Application]:
    visible = visible_applications(action_context.member, member_rights=action_context.rights)
    return visible.filter(job=action_context.job_id)
