"""Erases what actions hold about erased candidates: notes, custom field values, time zones, and
what their pages showed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from django.db.models import QuerySet

from portal.applications.models import ActionKind, ApplicationAction, ResumeView
from portal.applications.pending.plans import PLAN_PARAMETER, get_plan

Status = ApplicationAction.Status
UPDATED_MESSAGE = "Updated."


def erase_notes(candidates: Sequence[int]) -> None:
    """Actions that are not sent yet go out without their note and custom fields; a note that is
    nothing else is not sent at all (`handlers.note`).
    """
    actions = ApplicationAction.objects.filter(application__candidate__in=candidates)
    actions.exclude(notes="", page_state={}).order_by().update(notes="", page_state={})
    _erase_time_zones(actions.filter(parameters__has_key=PLAN_PARAMETER))
    ResumeView.objects.filter(application__candidate__in=candidates).order_by().delete()
    for action in actions.filter(kind=ActionKind.UPDATE):
        if action.parameters.pop("custom", None):
            outcome = UPDATED_MESSAGE if action.status == Status.DONE else action.outcome
            action_row = ApplicationAction.objects.filter(pk=action.pk)
            action_row.update(parameters=action.parameters, outcome=outcome)


def _erase_time_zones(rejections: QuerySet[ApplicationAction]) -> None:
    for action in rejections:
        plan = get_plan(action)
        if plan is not None and plan.is_candidate_zone:
            erased = replace(plan, zone="UTC", is_candidate_zone=False)
            parameters = {**action.parameters, **erased.to_parameters()}
            ApplicationAction.objects.filter(pk=action.pk).update(parameters=parameters)
