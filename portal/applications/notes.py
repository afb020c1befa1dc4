"""What recruiters wrote about a candidate when they acted."""

from __future__ import annotations

from collections.abc import Sequence

from portal.applications.models import ApplicationAction


def forget(candidates: Sequence[int]) -> None:
    """Empty it: these candidates were erased. What was still to be sent goes without it."""
    written = ApplicationAction.objects.filter(application__candidate__in=candidates)
    written.exclude(notes="").order_by().update(notes="")
