"""What a person asks for, and what decides whether they may do it."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from django.conf import settings
from django.db.models import QuerySet

from integrations.ats.types import SeenStage
from portal.accounts.models import Membership
from portal.applications.actions.acting_user import ActingUser, get_acting_user
from portal.applications.actions.refusals import get_learned_refusals, get_role_id
from portal.applications.actions.undo_period import choose_undo_seconds, get_action_preferences
from portal.applications.models import ActionPreferences, ApplicationAction, LearnedRefusal
from portal.core.database.compiled_queries import compile_once
from portal.core.database.prepared_statements import use_prepared_statements
from portal.entitlements.rules import Rights, visible_jobs
from portal.jobs.answers.promise import Promise, get_promise
from portal.sync.models import RejectionReason, Stage


@dataclass(frozen=True, kw_only=True)
class ActionRequest:
    """What the person asked for, and the stage they saw on screen."""

    key: uuid.UUID
    kind: str
    seen: SeenStage
    seen_stage_name: str = ""
    reason: RejectionReason | None = None
    notes: str = ""
    parameters: Mapping[str, Any] = field(default_factory=dict)
    undoes: ApplicationAction | None = None
    page_state: Mapping[str, Any] = field(default_factory=dict)  # for the decision record


@dataclass(frozen=True)
class ActionContext:
    """What decides which actions are available on one job. Built once per request for all its
    applications; each part is loaded when it is first needed.
    """

    member: Membership
    job_id: int
    rights: Rights
    is_job_open: bool = True

    def for_job(self, job_id: int, role: int | None, *, is_job_open: bool) -> ActionContext:
        """The context of another job, which shares what is the person's own."""
        other = ActionContext(self.member, job_id, self.rights, is_job_open=is_job_open)
        own_parts: dict[str, Any] = {
            "role": role,
            "acting_user": self.acting_user,
            "preferences": self.preferences,
            "promise": self.promise,
        }
        other.__dict__.update(own_parts)  # as cached properties
        return other

    @cached_property
    def stages(self) -> tuple[Stage, ...]:
        return tuple(_find_stages(self.job_id))

    @cached_property
    def role(self) -> int | None:
        return get_role_id(self.job_id, self.rights)

    @cached_property
    def refusals(self) -> Mapping[str, LearnedRefusal]:
        return get_learned_refusals(self.rights.match.connection, self.role)

    @cached_property
    def acting_user(self) -> ActingUser:
        return get_acting_user(self.member, self.rights.match.connection)

    @cached_property
    def preferences(self) -> ActionPreferences:
        return get_action_preferences(self.member)

    @cached_property
    def promise(self) -> Promise:
        return get_promise(self.member.organization_id)

    @property
    def reject_undo_seconds(self) -> float:
        return choose_undo_seconds(self.preferences, settings.REJECT_UNDO_SECONDS)

    @property
    def batch_undo_seconds(self) -> float:
        return choose_undo_seconds(self.preferences, settings.BATCH_UNDO_SECONDS)

    @cached_property
    def sees_other_jobs(self) -> bool:
        return visible_jobs(self.member, member_rights=self.rights).exclude(pk=self.job_id).exists()

    @cached_property
    def visible_job_ids(self) -> frozenset[int]:
        """Greenhouse IDs of the open jobs the person may see."""
        jobs = visible_jobs(self.member, member_rights=self.rights)
        return frozenset(jobs.values_list("remote_id", flat=True))


@use_prepared_statements()
@compile_once
def _find_stages(job_id: int) -> QuerySet[Stage]:
    stages = Stage.objects.filter(job_id=job_id, active=True, gone_at=None)
    return stages.order_by("order", "id")
