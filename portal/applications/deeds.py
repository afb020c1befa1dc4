"""Actions as lists show them: what, on whom, what came of it, and whether it can be undone."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from portal.applications.models import ApplicationAction, Kind
from portal.applications.outbox import newest_on
from portal.applications.verbs import VERBS
from portal.applications.verbs.base import still_as
from portal.entitlements.rules import Rights

Status = ApplicationAction.Status

INVERSES = {Kind.ADVANCE: Kind.MOVE, Kind.MOVE: Kind.MOVE, Kind.REJECT: Kind.UNREJECT}


@dataclass(frozen=True)
class Deed:
    """`undoable` is what the lists offer; the click looks more closely (`undo.way_back`)."""

    action: ApplicationAction
    mine: bool
    undoable: bool

    @property
    def withdrawable(self) -> bool:
        return self.mine and self.action.can_be_withdrawn and self.action.batch_id is None


def deeds(actions: Iterable[ApplicationAction], member_id: int, held: Rights) -> list[Deed]:
    """These actions with what their reader can do about them."""
    listed = list(actions)
    newest = newest_on([action.application_id for action in listed])
    return [
        Deed(
            action=action,
            mine=action.membership_id == member_id,
            undoable=action.membership_id == member_id
            and newest.get(action.application_id) == action.pk
            and _can_be_undone(action, held),
        )
        for action in listed
    ]


def _can_be_undone(action: ApplicationAction, held: Rights) -> bool:
    inverse = INVERSES.get(Kind(action.kind))
    return (
        action.status == Status.DONE
        and inverse is not None
        and still_as(action.after, action.application)
        and not held.why_not(VERBS[inverse].feature)
    )
