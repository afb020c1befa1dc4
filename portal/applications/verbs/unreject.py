"""Back into the running, to the stage it was rejected in."""

from __future__ import annotations

from integrations.ats import types as ats
from integrations.ats.port import Provider
from integrations.ats.types import ApplicationStatus, Receipt
from portal.applications.models import ApplicationAction, Kind
from portal.applications.verbs.base import UNCHANGED, Status, Verb, differs_where_known
from portal.mirror.models import Application


class Unreject(Verb):
    kind = Kind.UNREJECT
    label = "Unreject"
    icon = "arrow-back-up"
    doing = "Unreject"
    past = "unrejected"
    feature = "unreject"
    guarded = True  # by the state: only a rejected one can be unrejected

    def fits(self, application: Application) -> bool:
        return application.status == ApplicationStatus.REJECTED

    def looks_first(self, action: ApplicationAction) -> bool:
        """To undo a rejection: by now somebody else's, for another reason, may stand there."""
        return action.undoes_id is not None

    def differs_from_seen(self, action: ApplicationAction, now: ats.Application) -> bool:
        before = (action.before or {}).get("reason")
        another = differs_where_known(before, now.rejection_reason_id)
        return another or super().differs_from_seen(action, now)

    def send(self, provider: Provider, action: ApplicationAction) -> Receipt:
        return provider.unreject(action.application.remote_id, acting_user_id=action.acting_user_id)

    def judged(self, action: ApplicationAction, now: Application) -> tuple[str, str]:
        if now.status == ApplicationStatus.ACTIVE:
            return Status.DONE, self.done(action, now)
        if now.status == ApplicationStatus.REJECTED:
            return Status.FAILED, UNCHANGED
        return Status.CONFLICT, f"It is {now.status} in Greenhouse by now."

    def done(self, action: ApplicationAction, now: Application) -> str:
        place = f", in “{now.stage_name}”" if now.stage_name else ""
        return f"Active again in Greenhouse{place}."
