"""Out of the running, with a reason and perhaps an e-mail to the candidate."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.utils import timezone

from integrations.ats.errors import Invalid
from integrations.ats.port import Provider
from integrations.ats.types import ApplicationStatus, Receipt, RejectionEmail
from portal.applications.models import ApplicationAction, Kind
from portal.applications.verbs.base import (
    UNCHANGED,
    Click,
    Ground,
    Status,
    Verb,
    click_back,
    differs_where_known,
)
from portal.mirror.models import Application

SOONEST = timedelta(minutes=10)


class Reject(Verb):
    kind = Kind.REJECT
    label = "Reject"
    icon = "circle-x"
    doing = "Reject"
    past = "rejected"
    feature = "reject"
    hold = "REJECT_HOLD_SECONDS"

    def send(self, provider: Provider, action: ApplicationAction) -> Receipt:
        if action.reason is None:
            raise Invalid(
                {"rejection_reason_id": "missing"}, "The reason is no longer in Greenhouse."
            )
        return provider.reject(
            action.application.remote_id,
            reason_id=action.reason.remote_id,
            notes=action.notes or None,
            email=_mail(action),
            acting_user_id=action.acting_user_id,
        )

    def judged(self, action: ApplicationAction, now: Application) -> tuple[str, str]:
        if now.status == ApplicationStatus.REJECTED:
            if _for_another_reason(action, now):
                return Status.CONFLICT, "It is rejected in Greenhouse, for another reason."
            return Status.DONE, self.done(action, now)
        if now.status == ApplicationStatus.ACTIVE:
            return Status.FAILED, UNCHANGED
        return Status.CONFLICT, f"It is {now.status} in Greenhouse by now."

    def done(self, action: ApplicationAction, now: Application) -> str:
        if "template" not in action.parameters:
            return "Rejected in Greenhouse."
        return f"Rejected in Greenhouse, with the e-mail “{action.parameters['template_name']}”."

    def inverse(self, action: ApplicationAction, now: Application, at: Ground) -> Click | str:
        return click_back(Kind.UNREJECT, action, now)


def _for_another_reason(action: ApplicationAction, now: Application) -> bool:
    """Whether somebody else's rejection stands there, as far as reasons are told."""
    ours = action.reason.remote_id if action.reason is not None else None
    return differs_where_known(ours, now.rejection_reason_remote_id)


def _mail(action: ApplicationAction) -> RejectionEmail | None:
    """Sent by Greenhouse so long after the rejection itself, not after the click; or at the time
    that was chosen, but never so soon that it could not be taken back.
    """
    if "template" not in action.parameters:
        return None
    now = timezone.now()
    if "mail_at" in action.parameters:
        send_at = max(datetime.fromisoformat(action.parameters["mail_at"]), now + SOONEST)
    else:
        send_at = now + timedelta(minutes=action.parameters["mail_after"])
    return RejectionEmail(
        template_id=action.parameters["template"],
        send_at=send_at,
        from_user_id=action.acting_user_remote_id,
    )
