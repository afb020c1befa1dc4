"""Actions as lists show them: what, on whom, what came of it, and whether it can be undone."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from django.urls import reverse

from portal.accounts.models import Membership
from portal.applications.models import ApplicationAction, Kind, Sitting
from portal.applications.naming import who
from portal.applications.undo import newest_deeds
from portal.applications.verbs import VERBS
from portal.applications.verbs.base import Change, still_as
from portal.entitlements.naming import titles
from portal.entitlements.rules import Rights, visible_jobs

Status = ApplicationAction.Status

INVERSES = {
    Kind.ADVANCE: Kind.MOVE,
    Kind.MOVE: Kind.MOVE,
    Kind.REJECT: Kind.UNREJECT,
    Kind.TRANSFER: Kind.TRANSFER,
    Kind.UPDATE: Kind.UPDATE,
}


@dataclass(frozen=True)
class Deed:
    """`undoable` is what the lists offer; the click looks more closely (`undo.way_back`).

    `who`: whom it was done to. `address`: where the application stands now, and what can be done.
    `former_job`: the title of the requisition that a transfer took it from, where one may see it.
    """

    action: ApplicationAction
    mine: bool
    undoable: bool
    who: str
    address: str
    former_job: str

    @property
    def outcome(self) -> str:
        return VERBS[self.action.kind].told(self.action, mine=self.mine)

    @property
    def changes(self) -> list[Change]:
        """The fields that it changed, before and after."""
        return VERBS[self.action.kind].changes(self.action)

    @property
    def tells_by_fields(self) -> bool:
        """Whether the fields, before and after, say all that its outcome says."""
        return self.action.status == Status.DONE and bool(self.changes)

    @property
    def job_address(self) -> str:
        return _job_address(self.action)

    @property
    def withdrawable(self) -> bool:
        mine = self.mine and self.action.can_be_withdrawn and self.action.batch_id is None
        return mine and _on_open_job(self.action)


def deeds(
    actions: Iterable[ApplicationAction],
    member: Membership,
    held: Rights,
    *,
    sitting: Sitting | None = None,
) -> list[Deed]:
    """These actions with what their reader can do about them; in a sitting they lead into it."""
    listed = list(actions)
    newest = newest_deeds([action.application_id for action in listed])
    left = _jobs_left(listed)
    jobs = _open_ones(left, member, held)
    former = titles(member, left, held=held) if left else {}
    return [
        Deed(
            action=action,
            mine=action.membership_id == member.pk,
            undoable=action.membership_id == member.pk
            and newest.get(action.application_id) == action.pk
            and _can_be_undone(action, held, jobs),
            who=who(action.application, held),
            address=_in_sitting(action, sitting) if sitting else _on_its_job(action),
            former_job=former.get(_job_left(action) or 0, ""),
        )
        for action in listed
    ]


def _job_left(action: ApplicationAction) -> int | None:
    """Greenhouse's id of the requisition that a transfer took it from."""
    return (action.before or {}).get("job") if action.kind == Kind.TRANSFER else None


def _jobs_left(actions: Iterable[ApplicationAction]) -> set[int]:
    return {job for action in actions if (job := _job_left(action))}


def _in_sitting(action: ApplicationAction, sitting: Sitting) -> str:
    review = reverse("applications:review", args=[sitting.job_id])
    return f"{review}?at={sitting.order.index(action.application_id) + 1}"


def _on_its_job(action: ApplicationAction) -> str:
    page = _job_address(action)
    # A closed job's page shows no application by itself.
    return f"{page}?application={action.application_id}" if _on_open_job(action) else page


def _job_address(action: ApplicationAction) -> str:
    name = "applications:of_job" if _on_open_job(action) else "jobs:closed"
    return reverse(name, args=[action.application.job_id])


def _on_open_job(action: ApplicationAction) -> bool:
    """Whether a click reaches it: nothing is done on a closed job from here."""
    job = action.application.job
    return job is not None and job.is_open


def _open_ones(jobs: set[int], member: Membership, held: Rights) -> frozenset[int]:
    """Those of these jobs that are open and the member's to see."""
    if not jobs:
        return frozenset()
    seen = visible_jobs(member, held=held).filter(remote_id__in=jobs)
    return frozenset(seen.order_by().values_list("remote_id", flat=True))


def _can_be_undone(action: ApplicationAction, held: Rights, jobs: frozenset[int]) -> bool:
    inverse = INVERSES.get(Kind(action.kind))
    return (
        action.status == Status.DONE
        and inverse is not None
        and _on_open_job(action)
        and still_as(action.after, action.application)
        and not held.why_not(VERBS[inverse].feature)
        and not VERBS[action.kind].no_way_back(action, jobs)
    )
