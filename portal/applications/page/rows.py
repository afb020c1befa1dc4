"""Rows of a job's application list, built per page to keep the query count constant."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from django.db.models import prefetch_related_objects
from django.utils import timezone

from portal.accounts.models import Membership
from portal.applications.actions import undo
from portal.applications.actions.available_actions import (
    ActionOption,
    build_action_context,
    get_action_option,
    list_action_options,
)
from portal.applications.actions.conflicts import Conflict, build_greenhouse_url, describe_conflict
from portal.applications.actions.handlers import ACTION_HANDLERS, ActionContext
from portal.applications.actions.outbox import get_latest_action_ids
from portal.applications.models import ActionKind, ApplicationAction
from portal.applications.page.labels import get_candidate_label, may_show_names
from portal.entitlements.rules import Rights
from portal.sync.models import Application

Status = ApplicationAction.Status

# Polling intervals by age of the click: most actions settle almost at once.
POLL_INTERVALS = ((timedelta(seconds=0.5), "150ms"), (timedelta(seconds=3), "300ms"))
# The other kinds are in the row's menu.
BUTTON_KINDS = (ActionKind.ADVANCE, ActionKind.REJECT, ActionKind.UNREJECT)


@dataclass(frozen=True)
class ApplicationRow:
    application: Application
    options: Sequence[ActionOption]
    last: ApplicationAction | None
    is_own: bool  # the latest action is the reader's
    shows_name: bool
    who: str
    can_undo: bool
    why_not_undoable: str
    can_retry: bool
    conflict: Conflict | None
    greenhouse_url: str
    shows_stage_age: bool

    @property
    def dom_id(self) -> str:
        return str(self.application.pk)

    @property
    def key(self) -> uuid.UUID:
        """A new idempotency key for each button."""
        return uuid.uuid4()

    @property
    def outcome(self) -> str:
        return (
            ACTION_HANDLERS[self.last.kind].describe_outcome(self.last, mine=self.is_own)
            if self.last
            else ""
        )

    @property
    def selectable(self) -> bool:
        return bool(self.options) and not self.is_busy

    @property
    def fixable_in_setup(self) -> bool:
        return any(o.fixable_in_setup for o in self.options)

    @property
    def needs_consent(self) -> bool:
        return any(o.needs_consent for o in self.options)

    @property
    def is_busy(self) -> bool:
        return self.last is not None and self.last.is_open

    @property
    def poll_interval(self) -> str:
        """Polling interval of a busy row: short right after a click, long within a batch."""
        if self.last is None or self.last.batch_id:
            return "5s"
        age = timezone.now() - self.last.queued_at
        intervals = POLL_INTERVALS if self.last.status != Status.SCHEDULED else ()
        return next((interval for limit, interval in intervals if age < limit), "1s")

    @property
    def buttons(self) -> list[ActionOption]:
        return [o for o in self.options if o.kind in BUTTON_KINDS]

    @property
    def menu(self) -> list[ActionOption]:
        return [o for o in self.options if o.kind not in BUTTON_KINDS]

    @property
    def undo_warning(self) -> str:
        return undo.get_undo_warning(self.last) if self.last else ""


def build_rows(
    applications: Iterable[Application], member: Membership, job_id: int | None, rights: Rights
) -> list[ApplicationRow]:
    application_list = list(applications)
    return _build_rows_from_actions(
        application_list,
        _get_latest_actions(application_list),
        member,
        build_action_context(member, job_id, rights),
    )


def build_row(
    application: Application,
    last: ApplicationAction | None,
    member: Membership,
    action_context: ActionContext,
) -> ApplicationRow:
    """A row whose latest action is already loaded."""
    return _build_rows_from_actions(
        [application], {application.pk: last} if last else {}, member, action_context
    )[0]


def _build_rows_from_actions(
    application_list: Sequence[Application],
    latest_actions: Mapping[int, ApplicationAction],
    member: Membership,
    action_context: ActionContext,
) -> list[ApplicationRow]:
    conflicts = [a.application_id for a in latest_actions.values() if a.status == Status.CONFLICT]
    _with_people(
        [
            a
            for a in application_list
            if a.pk in conflicts and latest_actions[a.pk].kind == ActionKind.UPDATE
        ]
    )
    done_actions = _list_done_actions(conflicts)
    return [
        _assemble_row(
            application, latest_actions.get(application.pk), done_actions, member, action_context
        )
        for application in application_list
    ]


def _with_people(updated: list[Application]) -> None:
    if updated:
        prefetch_related_objects(updated, "source", "recruiter", "coordinator")


def _assemble_row(
    application: Application,
    last: ApplicationAction | None,
    done_actions: Sequence[ApplicationAction],
    member: Membership,
    action_context: ActionContext,
) -> ApplicationRow:
    is_own = last is not None and last.membership_id == member.pk
    if last is not None and last.dismissed_at:
        last = None
    if last is not None:
        last.application = application  # avoids loading it and its job again
    relevant_actions = [
        action for action in done_actions if action.application_id == application.pk
    ]
    can_retry = last is not None and is_own and last.status in (Status.CONFLICT, Status.FAILED)
    undo_request = (
        undo.get_undo_request(last, application, action_context)
        if last is not None and is_own
        else ""
    )
    return ApplicationRow(
        application=application,
        # Buttons are hidden while an action is open.
        options=()
        if last is not None and last.is_open
        else list_action_options(application, action_context),
        last=last,
        is_own=is_own,
        shows_name=may_show_names(action_context.rights),
        who=get_candidate_label(application, action_context.rights),
        can_undo=not isinstance(undo_request, str),
        why_not_undoable=undo_request if isinstance(undo_request, str) else "",
        can_retry=last is not None
        and can_retry
        and get_action_option(application, action_context, last.kind).allowed,
        conflict=describe_conflict(last, application, relevant_actions)
        if last is not None and last.status == Status.CONFLICT
        else None,
        greenhouse_url=build_greenhouse_url(application),
        shows_stage_age="stage_history" not in action_context.rights.features.off,
    )


def get_latest_action(application: Application) -> ApplicationAction | None:
    actions = application.actions.select_related("membership__user")
    latest: ApplicationAction | None = actions.order_by("-pk").first()
    return latest


def get_own_latest_action(member: Membership, application_pk: int) -> ApplicationAction | None:
    """The reader's own latest action, visible application or not; None if dismissed."""
    own_actions = ApplicationAction.objects.filter(membership=member, application=application_pk)
    latest = own_actions.order_by("-pk").first()
    return latest if latest is not None and not latest.dismissed_at else None


def _get_latest_actions(application_list: Sequence[Application]) -> dict[int, ApplicationAction]:
    latest_ids = get_latest_action_ids([application.pk for application in application_list])
    actions = ApplicationAction.objects.filter(pk__in=latest_ids.values()).select_related(
        "membership__user"
    )
    return {action.application_id: action for action in actions}


def _list_done_actions(applications: Sequence[int]) -> list[ApplicationAction]:
    if not applications:
        return []
    done = ApplicationAction.objects.filter(application__in=applications, status=Status.DONE)
    return list(done.select_related("membership__user"))
