"""The email of a rejection, which Greenhouse may send even if the rejection is undone."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.utils import timezone

from portal.applications.actions.handlers.reject import get_email_send_time
from portal.applications.models import ActionKind, ApplicationAction


@dataclass(frozen=True)
class ScheduledEmail:
    template_name: str
    send_at: datetime
    is_undone: bool  # the rejection was, or is being, undone

    @property
    def is_due(self) -> bool:
        return self.send_at <= timezone.now()

    @property
    def outlives_undo(self) -> bool:
        return self.is_undone and not self.is_due


def get_scheduled_email(action: ApplicationAction) -> ScheduledEmail | None:
    """The email that this rejection, or the one this action undoes, has scheduled."""
    rejection = action.undoes or action
    if rejection.kind != ActionKind.REJECT or rejection.status != ApplicationAction.Status.DONE:
        return None
    send_at = get_email_send_time(rejection)
    if send_at is None:
        return None
    is_undone = action.undoes_id is not None and (
        action.status not in ApplicationAction.INEFFECTIVE_STATUSES
    )
    return ScheduledEmail(rejection.parameters["template_name"], send_at, is_undone)
