"""Erases notes and custom field values that recruiters wrote about erased candidates."""

from __future__ import annotations

from collections.abc import Sequence

from portal.applications.models import ActionKind, ApplicationAction

Status = ApplicationAction.Status
UPDATED_MESSAGE = "Updated."


def erase_notes(candidates: Sequence[int]) -> None:
    """Actions that are not sent yet go out without their note and custom fields; a note that is
    nothing else is not sent at all (`handlers.note`).
    """
    actions = ApplicationAction.objects.filter(application__candidate__in=candidates)
    actions.exclude(notes="").order_by().update(notes="")
    for action in actions.filter(kind=ActionKind.UPDATE):
        if action.parameters.pop("custom", None):
            outcome = UPDATED_MESSAGE if action.status == Status.DONE else action.outcome
            action_row = ApplicationAction.objects.filter(pk=action.pk)
            action_row.update(parameters=action.parameters, outcome=outcome)
