"""Refusing an action on an application: permission first, then state, then values.

Messages are Greenhouse's where they are public; the others are marked ``inferred``.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Literal

from integrations.greenhouse.sandbox.dataset.access_rules import (
    can_act_on_job,
    can_open_application,
)
from integrations.greenhouse.sandbox.dataset.dataset import Dataset
from integrations.greenhouse.sandbox.dataset.records import Application, Job, User

RefusalReason = Literal["hidden", "forbidden", "invalid", "state"]


class ActionRefused(Exception):
    """The action is refused, for one of these reasons.

    ``hidden``: the user cannot see the record. ``forbidden``: sees it but lacks the right.
    ``invalid``: a value is wrong; ``field`` names it. ``state``: not possible in this state.
    """

    def __init__(self, reason: RefusalReason, message: str, field: str | None = None) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message
        self.field = field


def invalid_value(field: str, message: str) -> ActionRefused:
    return ActionRefused("invalid", message, field)


def check_permission(dataset: Dataset, actor: User | None, row: Application, action: str) -> None:
    """Refuse if the user lacks the right. Actor None works inside Greenhouse."""
    if actor is None:
        return
    if actor.deactivated or not can_open_application(dataset, actor, row):
        raise ActionRefused("hidden", "Not found")
    job_ids = [row.job_id] if row.job_id else row.prospective_job_ids
    jobs: list[Job | None] = [job for job in map(dataset.jobs.get, job_ids) if job]
    if not any(can_act_on_job(dataset, actor, job, action) for job in jobs or [None]):
        raise ActionRefused("forbidden", "Access Denied")


def require_status(row: Application, wanted: str) -> None:
    """Refuse unless the application has this status (text documented for unreject)."""
    if row.status != wanted:
        raise ActionRefused("state", f"Application must be '{wanted}', is currently '{row.status}'")


def is_known_id(rows: Collection[int], number: Any) -> bool:
    return isinstance(number, int) and number in rows
