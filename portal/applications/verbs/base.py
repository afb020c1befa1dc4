"""What every verb tells of itself, and what a click and its ground are."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, ClassVar

from integrations.ats import types as ats
from integrations.ats.port import Provider
from integrations.ats.types import ApplicationStatus, Receipt, SeenStage
from portal.accounts.models import Membership
from portal.applications.acting import Acting
from portal.applications.models import ApplicationAction, LearnedRefusal
from portal.entitlements.rules import Rights, visible_jobs
from portal.mirror.models import Application, RejectionReason, Stage

Status = ApplicationAction.Status
UNCHANGED = "Greenhouse's answer was lost; it did not happen. You can do it again."


@dataclass(frozen=True, kw_only=True)
class Click:
    """What the person asked for, and what they had on screen then."""

    key: uuid.UUID
    kind: str
    seen: SeenStage
    seen_stage_name: str = ""
    reason: RejectionReason | None = None
    notes: str = ""
    parameters: Mapping[str, Any] = field(default_factory=dict)
    undoes: ApplicationAction | None = None


@dataclass(frozen=True, kw_only=True)
class Ground:
    """What the offers on one job's applications stand on, worked out once for all of them.

    `role`: the person's on this job. `stages`: the job's active ones in order. `refusals`: by kind,
    what Greenhouse lately refused to somebody in that role.
    """

    member: Membership
    job_id: int
    held: Rights
    role: int | None
    stages: tuple[Stage, ...]
    refusals: Mapping[str, LearnedRefusal]
    acting: Acting = field(default_factory=Acting)

    @cached_property
    def elsewhere(self) -> bool:
        """Whether the person may see another open job. Looked up when somebody asks."""
        return visible_jobs(self.member, held=self.held).exclude(pk=self.job_id).exists()

    @cached_property
    def job_ids(self) -> frozenset[int]:
        """Greenhouse's ids of the open jobs that the person may see; looked up likewise."""
        jobs = visible_jobs(self.member, held=self.held)
        return frozenset(jobs.values_list("remote_id", flat=True))


@dataclass(frozen=True)
class Change:
    """What an update makes of one field, in words; "" is empty."""

    label: str
    was: str
    now: str


class Verb:
    """One thing that can be done with an application, from the button to its undoing."""

    kind: ClassVar[str]
    label: ClassVar[str]  # on the button
    icon: ClassVar[str]
    doing: ClassVar[str]  # while it waits: "Advance"
    past: ClassVar[str]  # in the record of what was done: "advanced"
    feature: ClassVar[str]  # the key of the feature that it needs
    hold: ClassVar[str] = ""  # the setting with the seconds in which it can be taken back
    # Whether Greenhouse itself refuses it from a stale screen. Where not, we look first.
    guarded: ClassVar[bool] = False

    def looks_first(self, action: ApplicationAction) -> bool:
        """Whether it is read before it is sent, to see that nothing changed meanwhile."""
        return not self.guarded

    def fits(self, application: Application) -> bool:
        """Whether it makes sense in the application's state at all; else no button is shown."""
        return application.status == ApplicationStatus.ACTIVE

    def misplaced(self, application: Application, ground: Ground) -> str:
        """Why it makes no sense in the stage where the application is; "" when it does."""
        return ""

    def why_not(self, application: Application, ground: Ground) -> str:
        """Why it makes no sense on this job at all; "" when it does."""
        return ""

    def out_of_reach(self, parameters: Mapping[str, Any], ground: Ground) -> str:
        """Why the person may not do it with these any more; "" when they may."""
        return ""

    def differs_from_seen(self, action: ApplicationAction, now: ats.Application) -> bool:
        """Whether what Greenhouse tells now is certainly not what the person acted on."""
        before = action.before or {}
        moved = differs(action.seen, now.seen_stage) or now.job_id != before.get("job")
        return moved or now.status != before.get("status")

    def send(self, provider: Provider, action: ApplicationAction) -> Receipt:
        """Ask Greenhouse for it. Raises AtsError."""
        raise NotImplementedError

    def judged(self, action: ApplicationAction, now: Application) -> tuple[str, str]:
        """What the present state says about a write whose answer was lost: status, sentence."""
        raise NotImplementedError

    def done(self, action: ApplicationAction, now: Application) -> str:
        """The sentence once it is done."""
        raise NotImplementedError

    def inverse(self, action: ApplicationAction, now: Application, at: Ground) -> Click | str:
        """The click that takes a done one back from where it stands now, or why there is none
        ("": there never is).
        """
        return ""

    def no_way_back(self, action: ApplicationAction, jobs: Collection[int]) -> str:
        """Why it certainly has no inverse, as far as lists look; `jobs`: those one may see."""
        return ""

    def changes(self, action: ApplicationAction) -> list[Change]:
        """The fields that it changes."""
        return []

    def conflict(self, action: ApplicationAction, now: Application) -> list[Change]:
        """The fields that somebody changed meanwhile, where it is about fields at all."""
        return []

    def anew(self, action: ApplicationAction, now: Application) -> Mapping[str, Any]:
        """The parameters for doing the same once more, from where the application stands now."""
        parameters: Mapping[str, Any] = action.parameters
        return parameters


def standing(application: Application) -> dict[str, Any]:
    """Where an application stands, to be kept with an action. No personal data."""
    return {
        "job": application.job.remote_id if application.job else None,
        "job_name": application.job.name if application.job else "",
        "status": application.status,
        "stage": application.stage_remote_id,
        "entry": application.stage_entry_id,
        "stage_name": application.stage_name,
        "reason": application.rejection_reason_remote_id,
    }


def still_as(place: Mapping[str, Any] | None, application: Application) -> bool:
    """Whether the application stands where it stood then: same job, state and stage, and rejected
    for the same reason.
    """
    if not place:
        return False
    now = standing(application)
    same = all(now[key] == place[key] for key in ("job", "status"))
    if differs_where_known(place.get("reason"), now["reason"]):
        return False
    return same and not differs(
        SeenStage(stage_id=place["stage"], entry_id=place["entry"]), application.seen_stage
    )


def differs_where_known(one: int | None, other: int | None) -> bool:
    """Whether both are told and are not the same."""
    return one is not None and other is not None and one != other


def differs(seen: SeenStage, now: SeenStage) -> bool:
    """Whether the two are certainly not the same stay in a stage.

    A stay (v3) tells more than a stage: somebody may have moved it away and back.
    """
    if seen.entry_id is not None and now.entry_id is not None:
        return seen.entry_id != now.entry_id
    return seen.stage_id != now.stage_id


def click_back(kind: str, action: ApplicationAction, now: Application, **more: Any) -> Click:
    """The click that undoes `action`, from where the application stands."""
    return Click(
        key=uuid.uuid5(action.key, "undo"),
        kind=kind,
        seen=now.seen_stage,
        seen_stage_name=now.stage_name,
        undoes=action,
        **more,
    )
