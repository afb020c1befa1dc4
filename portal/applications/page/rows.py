"""Rows of a job's application list, built per page to keep the query count constant."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from django.db.models import prefetch_related_objects
from django.utils import timezone
from django.utils.functional import cached_property  # takes no lock, as that of Python 3.11
from django.utils.safestring import SafeString

from portal.applications.actions import undo
from portal.applications.actions.action_context import ActionContext
from portal.applications.actions.available_actions import ActionOption, AvailableActions
from portal.applications.actions.conflicts import Conflict, build_greenhouse_url, describe_conflict
from portal.applications.actions.handlers import ACTION_HANDLERS
from portal.applications.actions.latest_actions import (
    ShownActions,
    get_pending_rejection,
    get_shown_actions,
)
from portal.applications.models import ActionKind, ApplicationAction
from portal.applications.page.announcements import describe_action
from portal.applications.page.labels import get_candidate_label, may_show_names
from portal.applications.page.scheduled_email import ScheduledEmail, get_scheduled_email
from portal.applications.pending.pending_list import explain_not_sent
from portal.applications.pending.plans import RejectionPlan, get_plan
from portal.core.database.prepared_statements import use_prepared_statements
from portal.jobs.answers.labels import DueLabel, count_days, describe_due, format_short_day
from portal.sync.models import Application
from portal.web.escaping import escape_text
from portal.web.row_urls import reverse_cached
from portal.web.state_tokens import build_state_token
from portal.web.templatetags.names import isolate

Status = ApplicationAction.Status

# Polling intervals by age of the click: most actions settle almost at once.
POLL_INTERVALS = ((timedelta(seconds=0.5), "150ms"), (timedelta(seconds=3), "300ms"))
# The other kinds are in the row's menu.
MAX_OUTCOME_LENGTH = 60  # that a row's status line shows in full
BUTTON_KINDS = (ActionKind.ADVANCE, ActionKind.REJECT, ActionKind.UNREJECT)


@dataclass(frozen=True)
class ApplicationRow:
    application: Application
    available_actions: AvailableActions | None  # None: the row offers none
    last: ApplicationAction | None
    is_own: bool  # the latest action is the reader's
    member_id: int
    shows_name: bool
    who: str
    is_job_open: bool
    can_undo: bool
    why_not_undoable: str
    can_retry: bool
    conflict: Conflict | None
    shows_stage_age: bool
    due: DueLabel | None  # when the answer is due; None if none is, or if that is unknown
    pending: ApplicationAction | None  # a rejection that waits for its day

    @property
    def pending_plan(self) -> RejectionPlan | None:
        return get_plan(self.pending) if self.pending is not None else None

    @property
    def is_pending_own(self) -> bool:
        return self.pending is not None and self.pending.membership_id == self.member_id

    @property
    def pending_problem(self) -> str:
        return explain_not_sent(self.pending) if self.pending is not None else ""

    @cached_property
    def dom_id(self) -> SafeString:
        return SafeString(str(self.application.pk))  # digits

    @property
    def key(self) -> uuid.UUID:
        """A new idempotency key for each button."""
        return uuid.uuid4()

    @property
    def click(self) -> SafeString:
        """What `forms.base.unpack_click` reads: the key and the stage on screen, in one value."""
        stage, entry = self.application.stage_remote_id, self.application.stage_entry_id
        return SafeString(f"{self.key.hex}.{stage or ''}.{entry or ''}")  # digits

    @property
    def state_token(self) -> str:
        """Changes whenever a busy row has to be rendered again."""
        if self.last is None:
            return ""
        last = self.last
        return build_state_token(
            last.pk,
            str(last.status),
            last.outcome,
            last.seconds_left > 0,
            last.is_slow,
            self.poll_interval,
        )

    @property
    def greenhouse_url(self) -> str:
        return build_greenhouse_url(self.application)

    @property
    def url(self) -> SafeString:
        return reverse_cached("applications:applicant", self.application.pk)

    @cached_property
    def label(self) -> SafeString:
        """For attributes, of which a row has several."""
        return escape_text(self.who)

    @cached_property
    def name(self) -> SafeString | str:
        return isolate(self.who)

    @property
    def role(self) -> SafeString:
        candidate = self.application.candidate
        if candidate is None or not self.shows_name:
            return SafeString("")
        parts = [isolate(part) for part in (candidate.title, candidate.company) if part]
        return SafeString(", ".join(parts))  # `isolate` escapes

    @property
    def stage(self) -> SafeString | str:
        return isolate(self.application.stage_name or "None")

    @property
    def stage_note(self) -> str:
        application, stage_age = self.application, self.stage_age
        note = " ·" if self.due and stage_age else ""
        if stage_age:
            note += f" {stage_age}"
        if application.needs_decision and application.is_active and not self.due:
            note += " · needs decision"
        return note

    @property
    def applied(self) -> SafeString:
        return _format_day(self.application.applied_at)

    @property
    def source(self) -> SafeString | str:
        return isolate(self.application.source_label or "No source")

    @property
    def active(self) -> SafeString:
        return _format_day(self.application.last_activity_at)

    @property
    def active_timestamp(self) -> SafeString:
        active_at = self.application.last_activity_at
        text = f"{active_at.astimezone(UTC):%Y-%m-%dT%H:%MZ}" if active_at else ""
        return SafeString(text)  # digits

    @property
    def stage_age(self) -> str:
        days = self.application.days_in_stage if self.shows_stage_age else None
        if days is None:
            return ""
        if not days:
            return "since today"
        return count_days(days, "day")

    @property
    def action_name(self) -> str:
        """The latest action and whose it is, for names of buttons: "rejection of Ada Park"."""
        if self.last is None:
            return ""
        original = self.last.undoes or self.last
        return f"{ACTION_HANDLERS[original.kind].noun.lower()} of {self.who}"

    @property
    def announcement(self) -> str:
        """The latest action for screen readers, with the person's name."""
        return describe_action(self.last, self.who, is_own=self.is_own) if self.last else ""

    @cached_property
    def unavailable_reason(self) -> str:
        """Why buttons of the row are off, each reason once."""
        reasons = dict.fromkeys(option.why_not for option in self.buttons if option.why_not)
        return " ".join(reasons)

    @property
    def has_details(self) -> bool:
        """Whether there is more to read or do than fits the row's status line."""
        last = self.last
        if last is None:
            return False
        is_unresolved = last.status in (Status.CONFLICT, Status.FAILED, Status.REFUSED)
        return bool(
            is_unresolved
            or (not last.is_open and len(self.outcome) > MAX_OUTCOME_LENGTH)
            or self.scheduled_email
            or (last.status == Status.SCHEDULED and last.outcome)
            or (self.is_own and (self.why_not_undoable or last.batch_id))
            or (self.can_undo and self.undo_warning)
        )

    @property
    def outcome(self) -> str:
        return (
            ACTION_HANDLERS[self.last.kind].describe_outcome(self.last, mine=self.is_own)
            if self.last
            else ""
        )

    @property
    def status_text(self) -> str:
        return ACTION_HANDLERS[self.last.kind].describe_status(self.last) if self.last else ""

    @property
    def past_tense(self) -> str:
        return ACTION_HANDLERS[self.last.kind].get_past_tense(self.last) if self.last else ""

    @property
    def undo_label(self) -> str:
        return "Redo" if self.last is not None and self.last.undoes_id else "Undo"

    @property
    def retry_label(self) -> str:
        """After a conflict it says from where, since the application has moved. A rejection that
        was to wait for its day waits for another one.
        """
        if self.last is None:
            return ""
        if self.last.status != Status.CONFLICT:
            return "Try again" if get_plan(self.last) is None else "Plan again"
        verb, stage_name = ACTION_HANDLERS[self.last.kind].verb, self.application.stage_name
        if self.last.kind == ActionKind.UPDATE or not stage_name:
            return f"{verb} anyway"
        return f"{verb} from “{stage_name}”"

    @cached_property
    def kinds(self) -> list[str]:
        return self.available_actions.list_kinds() if self.available_actions else []

    @cached_property
    def options(self) -> list[ActionOption]:
        return self._get_options(self.kinds)

    @cached_property
    def buttons(self) -> list[ActionOption]:
        return self._get_options(kind for kind in self.kinds if kind in BUTTON_KINDS)

    @property
    def menu(self) -> list[ActionOption]:
        return [option for option in self.options if option.kind not in BUTTON_KINDS]

    def _get_options(self, kinds: Iterable[str]) -> list[ActionOption]:
        actions = self.available_actions
        return [actions.get_option(kind) for kind in kinds] if actions else []

    @property
    def selectable(self) -> bool:
        return bool(self.kinds) and not self.is_busy

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
        if self.last.status == Status.SCHEDULED:
            return "5s"  # the browser counts down, and asks when the time is up
        age = timezone.now() - self.last.queued_at
        return next((interval for limit, interval in POLL_INTERVALS if age < limit), "1s")

    @property
    def undo_warning(self) -> str:
        """Only what is particular to this action; the page says once what holds for all."""
        if self.last is None or self.last.kind != ActionKind.REJECT or self.scheduled_email:
            return ""
        return undo.get_undo_warning(self.last)

    @property
    def scheduled_email(self) -> ScheduledEmail | None:
        return get_scheduled_email(self.last) if self.last is not None else None


@use_prepared_statements()
def build_rows(
    applications: Iterable[Application], action_context: ActionContext
) -> list[ApplicationRow]:
    """On a closed job rows only tell where applications stand."""
    application_list = list(applications)
    return _build_rows_from_actions(
        [AvailableActions(application, action_context) for application in application_list],
        get_shown_actions(application_list, action_context.member)
        if action_context.is_job_open
        else ShownActions({}, {}),
    )


def build_row(
    available_actions: AvailableActions, last: ApplicationAction | None
) -> ApplicationRow:
    """A row whose latest action is already loaded."""
    application = available_actions.application
    is_busy = last is not None and last.is_open  # then only that is shown
    pending = None if is_busy else get_pending_rejection(application)
    actions = ShownActions(
        {application.pk: last} if last else {}, {application.pk: pending} if pending else {}
    )
    return _build_rows_from_actions([available_actions], actions)[0]


def _build_rows_from_actions(
    available_list: Sequence[AvailableActions], actions: ShownActions
) -> list[ApplicationRow]:
    latest_actions = actions.latest
    conflicts = [a.application_id for a in latest_actions.values() if a.status == Status.CONFLICT]
    _with_people(
        [
            available_actions.application
            for available_actions in available_list
            if available_actions.application.pk in conflicts
            and latest_actions[available_actions.application.pk].kind == ActionKind.UPDATE
        ]
    )
    done_actions = _list_done_actions(conflicts)
    return [
        _assemble_row(
            available_actions,
            latest_actions.get(available_actions.application.pk),
            done_actions,
            actions.pending.get(available_actions.application.pk),
        )
        for available_actions in available_list
    ]


def _with_people(updated: list[Application]) -> None:
    if updated:
        prefetch_related_objects(updated, "source", "recruiter", "coordinator")


def _assemble_row(
    available_actions: AvailableActions,
    last: ApplicationAction | None,
    done_actions: Sequence[ApplicationAction],
    pending: ApplicationAction | None,
) -> ApplicationRow:
    application, action_context = available_actions.application, available_actions.context
    is_own = last is not None and last.membership_id == action_context.member.pk
    if last is not None:
        last.application = application  # avoids loading it and its job again
    if pending is not None:
        pending.application = application
    relevant_actions = [
        action for action in done_actions if action.application_id == application.pk
    ]
    can_retry = last is not None and is_own and last.status in (Status.CONFLICT, Status.FAILED)
    undo_request = (
        undo.get_undo_request(last, available_actions) if last is not None and is_own else ""
    )
    return ApplicationRow(
        application=application,
        # Buttons are hidden while an action is open.
        available_actions=None
        if not action_context.is_job_open or (last is not None and last.is_open)
        else available_actions,
        last=last,
        is_own=is_own,
        member_id=action_context.member.pk,
        shows_name=may_show_names(action_context.rights),
        who=get_candidate_label(application, action_context.rights),
        is_job_open=action_context.is_job_open,
        can_undo=not isinstance(undo_request, str),
        why_not_undoable=undo_request if isinstance(undo_request, str) else "",
        can_retry=last is not None
        and can_retry
        and available_actions.get_option(last.kind).allowed,
        conflict=describe_conflict(last, application, relevant_actions)
        if last is not None and last.status == Status.CONFLICT
        else None,
        shows_stage_age="stage_history" not in action_context.rights.features.unavailable,
        due=describe_due(action_context.promise, application.decision_needed_at)
        if application.decision_needed_at
        else None,
        pending=None if last is not None and last.is_open else pending,
    )


def _list_done_actions(applications: Sequence[int]) -> list[ApplicationAction]:
    if not applications:
        return []
    done = ApplicationAction.objects.filter(
        ApplicationAction.IS_DECISION, application__in=applications, status=Status.DONE
    )
    return list(done.select_related("membership__user"))


def _format_day(moment: datetime | None) -> SafeString:
    return SafeString(format_short_day(moment) if moment else "Unknown")
