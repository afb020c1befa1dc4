"""To the next stage of its job."""

from __future__ import annotations

from integrations.ats.port import Provider
from integrations.ats.types import ApplicationStatus, Receipt
from portal.applications.models import ApplicationAction, Kind
from portal.applications.verbs.base import (
    UNCHANGED,
    Click,
    Ground,
    Status,
    Verb,
    click_back,
    differs,
)
from portal.mirror.models import Application, Stage


class Advance(Verb):
    kind = Kind.ADVANCE
    label = "Advance"
    icon = "arrow-right"
    doing = "Advance"
    past = "advanced"
    feature = "advance"
    guarded = True

    def misplaced(self, application: Application, ground: Ground) -> str:
        stage = application.stage
        if stage is not None and (not ground.stages or stage.order >= ground.stages[-1].order):
            return "It is in the last stage already."
        return ""

    def send(self, provider: Provider, action: ApplicationAction) -> Receipt:
        return provider.advance(
            action.application.remote_id,
            seen=action.seen,
            acting_user_id=action.acting_user_id,
        )

    def judged(self, action: ApplicationAction, now: Application) -> tuple[str, str]:
        if now.status != ApplicationStatus.ACTIVE:
            return Status.CONFLICT, f"It is {now.status} in Greenhouse by now."
        if not differs(action.seen, now.seen_stage):
            return Status.FAILED, UNCHANGED
        if _passed_over(action, now):
            return Status.CONFLICT, f"It is in “{now.stage_name}” in Greenhouse by now."
        return Status.DONE, f"It is in “{now.stage_name}” in Greenhouse now."

    def done(self, action: ApplicationAction, now: Application) -> str:
        place = f" to “{now.stage_name}”" if now.stage_name else ""
        return f"Advanced in Greenhouse{place}."

    def inverse(self, action: ApplicationAction, now: Application, at: Ground) -> Click | str:
        return back_to_stage(action, now, at)


def _passed_over(action: ApplicationAction, now: Application) -> bool:
    """Whether it certainly stands elsewhere than in the stage after the one that was seen."""
    stages = Stage.objects.filter(job=now.job_id, active=True, gone_at=None)
    ids = list(stages.order_by("order", "id").values_list("remote_id", flat=True))
    if action.seen_stage_remote_id not in ids:
        return now.job is not None and now.job.remote_id != (action.before or {}).get("job")
    after = ids[ids.index(action.seen_stage_remote_id) + 1 :]
    return now.stage_remote_id not in after[:1]


def back_to_stage(action: ApplicationAction, now: Application, at: Ground) -> Click | str:
    """Back to the stage that it was in before, where that is still one of its job's."""
    before = action.before or {}
    if before.get("job") != (now.job.remote_id if now.job else None):
        return ""
    there = next((stage for stage in at.stages if stage.remote_id == before.get("stage")), None)
    if there is None:
        return f"“{before.get('stage_name')}” is no longer a stage of this requisition."
    target = {"to_stage": there.remote_id, "to_stage_name": there.name}
    return click_back(Kind.MOVE, action, now, parameters=target)
