"""The rows of a requisition's page: each application with its buttons and its last action.

Worked out for a whole page at once, so that the number of queries does not grow with the rows.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from django.db.models import prefetch_related_objects
from django.utils import timezone

from portal.accounts.models import Membership
from portal.applications import undo
from portal.applications.conflicts import Conflict, conflict, in_greenhouse
from portal.applications.models import ApplicationAction, Kind
from portal.applications.naming import may_name, who
from portal.applications.offers import Offer, ground, offer, offers
from portal.applications.outbox import newest_on
from portal.applications.verbs import VERBS, Ground
from portal.entitlements.rules import Rights
from portal.mirror.models import Application

Status = ApplicationAction.Status

# How often a row asks for itself, by how long ago it was clicked: most are settled at once.
ASKS = ((timedelta(seconds=0.5), "150ms"), (timedelta(seconds=3), "300ms"))
BUTTONS = (Kind.ADVANCE, Kind.REJECT, Kind.UNREJECT)  # the others are in the row's menu


@dataclass(frozen=True)
class Row:
    """One application as the page shows it."""

    application: Application
    offers: Sequence[Offer]
    last: ApplicationAction | None
    mine: bool  # whether the last action is the reader's own
    named: bool
    who: str
    undoable: bool
    no_undo: str  # why a done one cannot be undone, where there is something to say
    again: bool  # a conflict or a failure that can be done from where it stands now
    conflict: Conflict | None
    link: str
    staged: bool  # whether it may be told since when an application is in its stage

    @property
    def dom_id(self) -> str:
        return str(self.application.pk)

    @property
    def key(self) -> uuid.UUID:
        """Makes a click happen once only: another one for each button that asks for it."""
        return uuid.uuid4()

    @property
    def outcome(self) -> str:
        """What came of the last action, for this reader."""
        return VERBS[self.last.kind].told(self.last, mine=self.mine) if self.last else ""

    @property
    def pickable(self) -> bool:
        """Whether it can be ticked, to be one of many."""
        return bool(self.offers) and not self.is_busy

    @property
    def mendable(self) -> bool:
        """Whether the reader can switch something on in Set-up that is off here."""
        return any(o.in_setup for o in self.offers)

    @property
    def must_agree(self) -> bool:
        """Whether the reader has to agree in Greenhouse before anything works here."""
        return any(o.agree for o in self.offers)

    @property
    def is_busy(self) -> bool:
        return self.last is not None and self.last.is_open

    @property
    def every(self) -> str:
        """How often a busy row asks for itself: often right after a click, less for one of many."""
        if self.last is None or self.last.batch_id:
            return "5s"
        ago = timezone.now() - self.last.queued_at
        soon = ASKS if self.last.status != Status.HELD else ()
        return next((pause for within, pause in soon if ago < within), "1s")

    @property
    def buttons(self) -> list[Offer]:
        return [o for o in self.offers if o.kind in BUTTONS]

    @property
    def menu(self) -> list[Offer]:
        return [o for o in self.offers if o.kind not in BUTTONS]

    @property
    def undo_warning(self) -> str:
        return undo.warning(self.last) if self.last else ""


def rows(
    applications: Iterable[Application], member: Membership, job_id: int | None, held: Rights
) -> list[Row]:
    """The rows of these applications of one job, with what this person may do there."""
    listed = list(applications)
    return _rows(listed, _newest_actions(listed), member, ground(member, job_id, held))


def row_of(
    application: Application, last: ApplicationAction | None, member: Membership, at: Ground
) -> Row:
    """The row of one application whose newest action is at hand already."""
    return _rows([application], {application.pk: last} if last else {}, member, at)[0]


def _rows(
    listed: Sequence[Application],
    newest: Mapping[int, ApplicationAction],
    member: Membership,
    at: Ground,
) -> list[Row]:
    conflicts = [a.application_id for a in newest.values() if a.status == Status.CONFLICT]
    _with_people([a for a in listed if a.pk in conflicts and newest[a.pk].kind == Kind.UPDATE])
    done = _done_on(conflicts)
    return [_row(one, newest.get(one.pk), done, member, at) for one in listed]


def _with_people(updated: list[Application]) -> None:
    """Their cards name who and what stands there now."""
    if updated:
        prefetch_related_objects(updated, "source", "recruiter", "coordinator")


def _row(
    application: Application,
    last: ApplicationAction | None,
    done: Sequence[ApplicationAction],
    member: Membership,
    at: Ground,
) -> Row:
    mine = last is not None and last.membership_id == member.pk
    if last is not None and last.dismissed_at:
        last = None
    if last is not None:
        last.application = application  # at hand already, with its job
    here = [one for one in done if one.application_id == application.pk]
    retry = last is not None and mine and last.status in (Status.CONFLICT, Status.FAILED)
    back = undo.way_back(last, application, at) if last is not None and mine else ""
    return Row(
        application=application,
        # While one is under way no button is shown, so none is worked out.
        offers=() if last is not None and last.is_open else offers(application, at),
        last=last,
        mine=mine,
        named=may_name(at.held),
        who=who(application, at.held),
        undoable=not isinstance(back, str),
        no_undo=back if isinstance(back, str) else "",
        again=last is not None and retry and offer(application, at, last.kind).allowed,
        conflict=conflict(last, application, here)
        if last is not None and last.status == Status.CONFLICT
        else None,
        link=in_greenhouse(application),
        staged="stage_history" not in at.held.features.off,
    )


def newest_action(application: Application) -> ApplicationAction | None:
    """What was last done to the application here, by anybody."""
    actions = application.actions.select_related("membership__user")
    newest: ApplicationAction | None = actions.order_by("-pk").first()
    return newest


def own_newest(member: Membership, application_pk: int) -> ApplicationAction | None:
    """The reader's own newest action there, seen or not; none where its card was put away."""
    mine = ApplicationAction.objects.filter(membership=member, application=application_pk)
    newest = mine.order_by("-pk").first()
    return newest if newest is not None and not newest.dismissed_at else None


def _newest_actions(listed: Sequence[Application]) -> dict[int, ApplicationAction]:
    newest = newest_on([application.pk for application in listed])
    actions = ApplicationAction.objects.filter(pk__in=newest.values()).select_related(
        "membership__user"
    )
    return {action.application_id: action for action in actions}


def _done_on(applications: Sequence[int]) -> list[ApplicationAction]:
    if not applications:
        return []
    done = ApplicationAction.objects.filter(application__in=applications, status=Status.DONE)
    return list(done.select_related("membership__user"))
