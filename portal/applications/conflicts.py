"""What a conflict's card says: where the application was, where it is, and by whom if known."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from django.conf import settings

from portal.applications.models import ApplicationAction, Kind
from portal.applications.verbs import VERBS
from portal.applications.verbs.base import Change
from portal.mirror.models import Application

Status = ApplicationAction.Status


@dataclass(frozen=True)
class Conflict:
    """`by` is the action of ours that changed it; None: it was changed in Greenhouse itself.

    `fields`: where it is not about the stage, each field with what it was and what it is now.
    """

    was: str
    now: str
    by: ApplicationAction | None
    by_outcome: str
    fields: list[Change]


def conflict(
    action: ApplicationAction, now: Application, done: Iterable[ApplicationAction]
) -> Conflict:
    """What came between the person's look and their click. `done`: the application's done ones."""
    fields = VERBS[action.kind].conflict(action, now)
    since = [one for one in done if _came_between(one, action) and _explains(one, action, fields)]
    before = action.before or {}
    by = max(since, key=lambda one: one.pk, default=None)
    mine = by is not None and by.membership_id == action.membership_id
    if by is not None:
        by.application = now
    return Conflict(
        was=_place(action.seen_stage_name or before.get("stage_name", ""), before.get("status")),
        now=_place(now.stage_name, now.status),
        by=by,
        by_outcome=VERBS[by.kind].told(by, mine=mine) if by else "",
        fields=fields,
    )


def _came_between(one: ApplicationAction, action: ApplicationAction) -> bool:
    return bool(
        one.pk != action.pk
        and one.settled_at
        and action.settled_at
        and one.settled_at < action.settled_at
    )


def _explains(one: ApplicationAction, action: ApplicationAction, fields: list[Change]) -> bool:
    """Whether what stands there now is what `one` left."""
    if action.kind == Kind.UPDATE:
        left = {(change.label, change.now) for change in VERBS[one.kind].changes(one)}
        return any((field.label, field.now) in left for field in fields)
    here, there = one.after or {}, action.after or {}
    same = all(here.get(key) == there.get(key) for key in ("entry", "stage", "status"))
    return same and one.kind != Kind.UPDATE


def _place(stage: str, status: str | None) -> str:
    if status and status != "active":
        return f"{status} (in “{stage}”)" if stage else status
    return f"in “{stage}”" if stage else "in no stage"


def in_greenhouse(application: Application) -> str:
    """The application's page in Greenhouse. [The form of the address is inferred.]"""
    candidate = application.candidate
    if candidate is None:
        return str(settings.GREENHOUSE_SITE_URL)
    return (
        f"{settings.GREENHOUSE_SITE_URL}/people/{candidate.remote_id}"
        f"?application_id={application.remote_id}"
    )
