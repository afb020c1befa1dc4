"""What recruiters wrote about a candidate when they acted: in notes, and into custom fields."""

from __future__ import annotations

from collections.abc import Sequence

from portal.applications.models import ApplicationAction, Kind

Status = ApplicationAction.Status
UPDATED = "Updated in Greenhouse."


def forget(candidates: Sequence[int]) -> None:
    """Empty it: these candidates were erased. What was still to be sent goes without it."""
    written = ApplicationAction.objects.filter(application__candidate__in=candidates)
    written.exclude(notes="").order_by().update(notes="")
    for action in written.filter(kind=Kind.UPDATE):
        if action.parameters.pop("custom", None):
            told = UPDATED if action.status == Status.DONE else action.outcome
            kept = ApplicationAction.objects.filter(pk=action.pk)
            kept.update(parameters=action.parameters, outcome=told)
