"""Which buttons an application has for this person: allowed, or off with the reason.

The page and the click ask the same function, so that what is shown is what is enforced.
"""

from __future__ import annotations

from dataclasses import dataclass

from django.db.models import Max

from integrations.ats.types import ApplicationStatus
from portal.applications.models import ApplicationAction
from portal.entitlements.rules import Rights
from portal.mirror.models import Application, Stage

Kind = ApplicationAction.Kind


@dataclass(frozen=True)
class Offer:
    """An action for this person on this application. `why_not` is "" when it is allowed."""

    kind: str
    label: str
    why_not: str = ""

    @property
    def allowed(self) -> bool:
        return not self.why_not


def offers(application: Application, held: Rights, *, last_stage: bool) -> list[Offer]:
    """The actions on an application the person may see, in the order of their buttons."""
    return [
        Offer(Kind.ADVANCE, "Advance", _why_not(application, held, "advance", last_stage)),
        Offer(Kind.REJECT, "Reject", _why_not(application, held, "reject", False)),
    ]


def offer(application: Application, held: Rights, kind: str, *, last_stage: bool) -> Offer:
    """The one action of this kind."""
    return next(o for o in offers(application, held, last_stage=last_stage) if o.kind == kind)


def _why_not(application: Application, held: Rights, feature: str, last_stage: bool) -> str:
    if general := held.why_not(feature):
        return general
    if application.prospect:
        return "Prospects are not moved from here."
    if application.status != ApplicationStatus.ACTIVE:
        return f"This application is {application.status} in Greenhouse."
    if last_stage:
        return "It is in the last stage already."
    return ""


def last_order(job_id: int) -> int | None:
    """The place of a job's last active stage; None where it has none."""
    active = Stage.objects.filter(job_id=job_id, active=True, gone_at=None)
    order: int | None = active.aggregate(last=Max("order"))["last"]
    return order


def is_last_stage(application: Application, last: int | None) -> bool:
    """Whether no active stage stands behind its present one, by its job's `last_order`.

    False where the application's stage is not known.
    """
    stage = application.stage
    return stage is not None and (last is None or stage.order >= last)
