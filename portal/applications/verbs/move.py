"""To a chosen stage of its job."""

from __future__ import annotations

from integrations.ats.port import Provider
from integrations.ats.types import ApplicationStatus, Receipt
from portal.applications.models import ApplicationAction, Kind
from portal.applications.verbs.advance import back_to_stage
from portal.applications.verbs.base import UNCHANGED, Click, Ground, Status, Verb, differs
from portal.mirror.models import Application


class Move(Verb):
    kind = Kind.MOVE
    label = "Move to a stage"
    icon = "arrows-right-left"
    doing = "Move"
    past = "moved"
    feature = "move"
    guarded = True

    def why_not(self, application: Application, ground: Ground) -> str:
        if "stages" in ground.held.features.off:
            return ground.held.features.why_off("stages")
        return "" if len(ground.stages) > 1 else "This requisition has no other stage."

    def send(self, provider: Provider, action: ApplicationAction) -> Receipt:
        return provider.move(
            action.application.remote_id,
            seen=action.seen,
            to_stage_id=action.parameters["to_stage"],
            acting_user_id=action.acting_user_id,
        )

    def judged(self, action: ApplicationAction, now: Application) -> tuple[str, str]:
        if now.status != ApplicationStatus.ACTIVE:
            return Status.CONFLICT, f"It is {now.status} in Greenhouse by now."
        if now.stage_remote_id == action.parameters["to_stage"]:
            return Status.DONE, self.done(action, now)
        if not differs(action.seen, now.seen_stage):
            return Status.FAILED, UNCHANGED
        return Status.CONFLICT, f"It is in “{now.stage_name}” in Greenhouse by now."

    def done(self, action: ApplicationAction, now: Application) -> str:
        return f"Moved to “{action.parameters['to_stage_name']}” in Greenhouse."

    def inverse(self, action: ApplicationAction, now: Application, at: Ground) -> Click | str:
        return back_to_stage(action, now, at)
