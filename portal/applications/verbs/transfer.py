"""To another job, where it lands in the first stage."""

from __future__ import annotations

from integrations.ats.port import Provider
from integrations.ats.types import ApplicationStatus, Receipt
from portal.applications.models import ApplicationAction, Kind
from portal.applications.verbs.base import UNCHANGED, Ground, Status, Verb, differs
from portal.mirror.models import Application


class Transfer(Verb):
    """Harvest v1 takes no stage to guard it by, so we look first; v3 guards it itself.

    No inverse: a transfer back lands in the first stage, not where the application was.
    """

    kind = Kind.TRANSFER
    label = "Transfer to another job"
    icon = "briefcase"
    doing = "Transfer"
    feature = "transfer"

    def why_not(self, application: Application, ground: Ground) -> str:
        return "" if ground.elsewhere else "You see no other open requisition in Greenhouse."

    def send(self, provider: Provider, action: ApplicationAction) -> Receipt:
        return provider.transfer(
            action.application.remote_id,
            seen=action.seen,
            to_job_id=action.parameters["to_job"],
            acting_user_id=action.acting_user_remote_id or 0,
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
        place = f", in “{now.stage_name}”" if now.stage_name else ""
        return f"Transferred to “{action.parameters['to_job_name']}” in Greenhouse{place}."
