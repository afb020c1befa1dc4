"""To another job, where it lands in the first stage; and back to the stage that it came from."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

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


class Transfer(Verb):
    """Harvest v1 takes no stage to guard it by, so we look first; v3 guards it itself.

    The inverse names the stage it came from. Where Greenhouse does not put it there (v3 knows only
    the first stage, so it is moved on from that), the outcome says where it is.
    """

    kind = Kind.TRANSFER
    label = "Transfer to another job"
    icon = "briefcase"
    doing = "Transfer"
    past = "transferred"
    feature = "transfer"

    def why_not(self, application: Application, ground: Ground) -> str:
        return "" if ground.elsewhere else "You see no other open requisition in Greenhouse."

    def out_of_reach(self, parameters: Mapping[str, Any], ground: Ground) -> str:
        if parameters["to_job"] in ground.job_ids:
            return ""
        return "You can no longer see the requisition it was to go to in Greenhouse."

    def send(self, provider: Provider, action: ApplicationAction) -> Receipt:
        return provider.transfer(
            action.application.remote_id,
            seen=action.seen,
            to_job_id=action.parameters["to_job"],
            to_stage_id=_still_there(action),
            acting_user_id=action.acting_user_id,
        )

    def judged(self, action: ApplicationAction, now: Application) -> tuple[str, str]:
        if now.status != ApplicationStatus.ACTIVE:
            return Status.CONFLICT, f"It is {now.status} in Greenhouse by now."
        if now.job and now.job.remote_id == action.parameters["to_job"]:
            return Status.DONE, self.done(action, now)
        if not differs(action.seen, now.seen_stage):
            return Status.FAILED, UNCHANGED
        return Status.CONFLICT, f"It is in “{now.stage_name}” in Greenhouse by now."

    def done(self, action: ApplicationAction, now: Application) -> str:
        wanted = action.parameters.get("to_stage")
        place = f", in “{now.stage_name}”" if now.stage_name else ""
        told = f"Transferred to “{action.parameters['to_job_name']}” in Greenhouse{place}."
        if wanted in (None, now.stage_remote_id):
            return told
        return f"{told} It was in “{action.parameters['to_stage_name']}” before: move it from here."

    def told(self, action: ApplicationAction, *, mine: bool) -> str:
        """To others without a title: the requisition may not be theirs to know of."""
        if mine or action.status != Status.DONE:
            return super().told(action, mine=mine)
        job = action.application.job
        here = job is not None and job.remote_id == action.parameters.get("to_job")
        return f"Transferred to {'this' if here else 'another'} requisition in Greenhouse."

    def no_way_back(self, action: ApplicationAction, jobs: Collection[int]) -> str:
        before = action.before or {}
        if before.get("job") in jobs:
            return ""
        return f"“{before.get('job_name')}”, where it was, is closed or no longer shown to you."

    def inverse(self, action: ApplicationAction, now: Application, at: Ground) -> Click | str:
        if why := self.no_way_back(action, at.job_ids):
            return why
        before = action.before or {}
        target = {
            "to_job": before["job"],
            "to_job_name": before.get("job_name", ""),
            "to_stage": before.get("stage"),
            "to_stage_name": before.get("stage_name", ""),
        }
        return click_back(Kind.TRANSFER, action, now, parameters=target)


def _still_there(action: ApplicationAction) -> int | None:
    """The stage it came from, where that can still be entered."""
    stages = Stage.objects.filter(
        connection_id=action.application.connection_id,
        remote_id=action.parameters.get("to_stage"),
        active=True,
        gone_at=None,
    )
    found: int | None = stages.values_list("remote_id", flat=True).first()
    return found
