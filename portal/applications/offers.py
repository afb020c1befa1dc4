"""Which buttons an application has for this person: allowed, or off with the reason.

The page and the click ask the same function, so that what is shown is what is enforced.
"""

from __future__ import annotations

from dataclasses import dataclass

from portal.accounts.models import Membership
from portal.applications.acting import AS_SERVICE_ACCOUNT, acting
from portal.applications.models import LearnedRefusal
from portal.applications.refusals import refused_to, role_on
from portal.applications.verbs import VERBS, Ground, Verb
from portal.entitlements.rules import Rights
from portal.mirror.models import Application, Stage


@dataclass(frozen=True)
class Offer:
    """An action for this person on this application.

    `why_not` is "" when it is allowed. `in_setup`: the reader can mend that in Set-up. `by_state`:
    it does not fit where the application stands. `learned`: it is allowed, but Greenhouse lately
    refused it to somebody in the same role.
    """

    verb: Verb
    why_not: str = ""
    in_setup: bool = False
    by_state: bool = False
    learned: LearnedRefusal | None = None
    agree: bool = False  # the reader has to agree in Greenhouse first
    as_service_account: bool = False

    @property
    def allowed(self) -> bool:
        return not self.why_not

    @property
    def kind(self) -> str:
        return self.verb.kind

    @property
    def label(self) -> str:
        if self.as_service_account:
            return f"{self.verb.label} {AS_SERVICE_ACCOUNT}"
        return self.verb.label

    @property
    def url_name(self) -> str:
        return f"applications:{self.kind}"

    @property
    def icon(self) -> str:
        return self.verb.icon


def ground(member: Membership, job_id: int | None, held: Rights) -> Ground:
    """What the offers on the applications of this job stand on."""
    job_id = job_id or 0
    stages = Stage.objects.filter(job_id=job_id, active=True, gone_at=None)
    role = role_on(job_id, held)
    return Ground(
        member=member,
        job_id=job_id,
        held=held,
        role=role,
        stages=tuple(stages.order_by("order", "id")),
        refusals=refused_to(held.match.connection, role),
        acting=acting(member, held.match.connection),
    )


def offers(application: Application, ground: Ground) -> list[Offer]:
    """The actions that fit the application's state, in the order of their buttons."""
    return [offer(application, ground, v.kind) for v in VERBS.values() if v.fits(application)]


def offer(application: Application, ground: Ground, kind: str) -> Offer:
    """The one action of this kind, whether its button is shown or not."""
    verb = VERBS[kind]
    if off := ground.held.why_not(verb.feature):
        return Offer(verb, off, in_setup=ground.member.is_admin)
    if why_not := ground.acting.why_not:
        return Offer(verb, why_not, agree=True)
    if application.prospect:
        return Offer(verb, "Prospects are not moved from here.")
    if not verb.fits(application):
        words = f"This application is {application.status} in Greenhouse."
        return Offer(verb, words, by_state=True)
    if words := verb.misplaced(application, ground):
        return Offer(verb, words, by_state=True)
    if why_not := verb.why_not(application, ground):
        return Offer(verb, why_not)
    return Offer(
        verb,
        learned=ground.refusals.get(kind),
        as_service_account=ground.acting.by_service_account,
    )
