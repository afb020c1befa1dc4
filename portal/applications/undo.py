"""Taking back what is done already, by its inverse and only from where it left the application.

Offered to the person who did it, while nothing else happened since: the newest action that may have
done something, and the application stands where that put it. Greenhouse's own guard against a stale
stage holds as well.
"""

from __future__ import annotations

from collections.abc import Sequence

from portal.applications.models import ApplicationAction, Kind
from portal.applications.offers import offer
from portal.applications.outbox import newest_on
from portal.applications.verbs import VERBS, Click, Ground
from portal.applications.verbs.base import still_as
from portal.mirror.models import Application

Status = ApplicationAction.Status


def newest_deeds(applications: Sequence[int]) -> dict[int, int]:
    """The newest action on each of these that did something there, or may have."""
    return newest_on(applications, but=ApplicationAction.DID_NOTHING)


def way_back(action: ApplicationAction, now: Application, at: Ground) -> Click | str:
    """The click that undoes the application's newest deed, or why it cannot be undone ("": that
    goes without saying, or something happened since).
    """
    if action.status != Status.DONE or not still_as(action.after, now):
        return ""
    click = VERBS[action.kind].inverse(action, now, at)
    if isinstance(click, str):
        return click
    return click if not (why := offer(now, at, click.kind).why_not) else why


def warning(action: ApplicationAction) -> str:
    """What undoing does not take back, in words; "" where it takes back everything."""
    if action.kind == Kind.REJECT and "template" in action.parameters:
        return (
            "Greenhouse's API does not tell whether an unreject also stops the scheduled e-mail. "
            "Look at the candidate's page in Greenhouse to be sure."
        )
    if action.kind in (Kind.ADVANCE, Kind.MOVE, Kind.TRANSFER):
        return "E-mails and rules that Greenhouse ran for the stage are not taken back."
    return ""
