"""Activity list entries: actions with their outcome and whether the reader can undo them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from django.db.models import prefetch_related_objects
from django.urls import reverse

from portal.accounts.models import Membership
from portal.applications.actions.application_state import is_unchanged_since
from portal.applications.actions.conflicts import build_greenhouse_url
from portal.applications.actions.handlers import ACTION_HANDLERS
from portal.applications.actions.handlers.base import FieldChange
from portal.applications.actions.handlers.note import is_unconfirmed
from portal.applications.actions.latest_actions import get_latest_effective_action_ids
from portal.applications.models import ActionKind, ApplicationAction, ReviewSession
from portal.applications.page.announcements import describe_action
from portal.applications.page.labels import get_candidate_label
from portal.applications.page.notes import can_read_note, describe_visibility, get_note_text
from portal.applications.page.scheduled_email import ScheduledEmail, get_scheduled_email
from portal.entitlements.job_titles import get_job_titles
from portal.entitlements.rules import Rights, visible_jobs
from portal.web.state_tokens import build_state_token

Status = ApplicationAction.Status

INVERSE_KINDS = {
    ActionKind.ADVANCE: ActionKind.MOVE,
    ActionKind.MOVE: ActionKind.MOVE,
    ActionKind.REJECT: ActionKind.UNREJECT,
    ActionKind.TRANSFER: ActionKind.TRANSFER,
    ActionKind.UPDATE: ActionKind.UPDATE,
}


@dataclass(frozen=True)
class ActivityEntry:
    """`can_undo` is a cheap check for lists; `undo.get_undo_request` decides on submit."""

    action: ApplicationAction
    is_own: bool
    can_undo: bool
    who: str
    url: str
    former_job: str
    note_text: str  # empty if the reader may not read it

    @property
    def outcome(self) -> str:
        return ACTION_HANDLERS[self.action.kind].describe_outcome(self.action, mine=self.is_own)

    @property
    def undo(self) -> ApplicationAction | None:
        """The latest attempt to undo the action."""
        return max(self.action.undone_by.all(), key=lambda undo: undo.pk, default=None)

    @property
    def title(self) -> str:
        kind = self.action.get_kind_display()
        return f"Undo ({kind.lower()})" if self.action.undoes_id else kind

    @property
    def state(self) -> str:
        """The status for the pill."""
        if is_unconfirmed(self.action):
            return "unconfirmed"
        return "undone" if self.is_undone else self.action.status

    @property
    def is_note(self) -> bool:
        return self.action.kind == ActionKind.NOTE

    @property
    def visibility(self) -> str:
        return describe_visibility(self.action)

    @property
    def is_undone(self) -> bool:
        return self.undo is not None and self.undo.status == Status.DONE

    @property
    def status_text(self) -> str:
        action = self.undo or self.action
        return ACTION_HANDLERS[action.kind].describe_status(action)

    @property
    def announcement(self) -> str:
        return describe_action(self.action, self.who, is_own=self.is_own)

    @property
    def undo_note(self) -> str:
        """What became of the undo, for the list."""
        if self.undo is None:
            return ""
        if self.is_undone:
            return self.undo.outcome
        return f"{self.status_text}. {self.undo.outcome}".rstrip()

    @property
    def scheduled_email(self) -> ScheduledEmail | None:
        return get_scheduled_email(self.undo or self.action)

    @property
    def greenhouse_url(self) -> str:
        return build_greenhouse_url(self.action.application)

    @property
    def is_busy(self) -> bool:
        return self.action.is_open or (self.undo is not None and self.undo.is_open)

    @property
    def is_waiting(self) -> bool:
        """Only time has to pass: the browser counts down."""
        return self.action.is_in_undo_period and self.undo is None

    @property
    def state_token(self) -> str:
        undo = self.undo
        shown_undo = (undo.pk, str(undo.status), undo.outcome) if undo else ()
        return build_state_token(
            self.action.pk, str(self.action.status), self.action.outcome, *shown_undo
        )

    @property
    def noun(self) -> str:
        return ACTION_HANDLERS[self.action.kind].noun

    @property
    def undo_name(self) -> str:
        """For the name of its Undo button: "rejection of Ada Park"."""
        return f"{self.noun.lower()} of {self.who}"

    @property
    def changes(self) -> list[FieldChange]:
        return ACTION_HANDLERS[self.action.kind].list_changes(self.action)

    @property
    def is_described_by_changes(self) -> bool:
        return self.action.status == Status.DONE and bool(self.changes)

    @property
    def job_url(self) -> str:
        return _get_job_page_path(self.action)

    @property
    def can_cancel(self) -> bool:
        is_single = self.is_own and self.action.can_cancel and self.action.batch_id is None
        return is_single and _is_on_open_job(self.action)


def build_entries_token(entries: Iterable[ActivityEntry]) -> str:
    return build_state_token(
        [(entry.state_token, entry.can_cancel, entry.can_undo) for entry in entries]
    )


def build_activity_entries(
    actions: Iterable[ApplicationAction],
    member: Membership,
    rights: Rights,
    *,
    review_session: ReviewSession | None = None,
) -> list[ActivityEntry]:
    """Entries for these actions, without notes that the reader may not read: not even that there
    are some. With a `review_session` they link into it.
    """
    action_list = [
        action
        for action in actions
        if action.kind != ActionKind.NOTE or can_read_note(action, rights)
    ]
    prefetch_related_objects(action_list, "undone_by__undoes", "undoes")
    latest_ids = get_latest_effective_action_ids([action.application_id for action in action_list])
    former_job_ids = _get_former_job_ids(action_list)
    visible_job_ids = _filter_visible_open_jobs(former_job_ids, member, rights)
    former_titles = get_job_titles(member, former_job_ids, rights=rights) if former_job_ids else {}
    return [
        ActivityEntry(
            action=action,
            is_own=action.membership_id == member.pk,
            can_undo=action.membership_id == member.pk
            and latest_ids.get(action.application_id) == action.pk
            and _can_undo(action, rights, visible_job_ids),
            who=get_candidate_label(action.application, rights),
            url=_build_review_url(action, review_session)
            if review_session
            else _build_application_url(action),
            former_job=former_titles.get(_get_former_job_id(action) or 0, ""),
            note_text=get_note_text(action, rights),
        )
        for action in action_list
    ]


def _get_former_job_id(action: ApplicationAction) -> int | None:
    return (action.state_before or {}).get("job") if action.kind == ActionKind.TRANSFER else None


def _get_former_job_ids(actions: Iterable[ApplicationAction]) -> set[int]:
    return {job for action in actions if (job := _get_former_job_id(action))}


def _build_review_url(action: ApplicationAction, review_session: ReviewSession) -> str:
    place = review_session.application_ids.index(action.application_id) + 1
    return f"{reverse('applications:review', args=[review_session.pk])}?position={place}"


def _build_application_url(action: ApplicationAction) -> str:
    # Applications of closed jobs have no page.
    if not _is_on_open_job(action):
        return f"{_get_job_page_path(action)}?application={action.application_id}"
    return reverse("applications:applicant", args=[action.application_id])


def _get_job_page_path(action: ApplicationAction) -> str:
    return reverse("applications:job_detail", args=[action.application.job_id])


def _is_on_open_job(action: ApplicationAction) -> bool:
    job = action.application.job
    return job is not None and job.is_open


def _filter_visible_open_jobs(jobs: set[int], member: Membership, rights: Rights) -> frozenset[int]:
    if not jobs:
        return frozenset()
    visible = visible_jobs(member, member_rights=rights).filter(remote_id__in=jobs)
    return frozenset(visible.order_by().values_list("remote_id", flat=True))


def _can_undo(action: ApplicationAction, rights: Rights, jobs: frozenset[int]) -> bool:
    inverse = INVERSE_KINDS.get(ActionKind(action.kind))
    return (
        action.status == Status.DONE
        and inverse is not None
        and _is_on_open_job(action)
        and is_unchanged_since(action.state_after, action.application)
        and not rights.why_unavailable(ACTION_HANDLERS[inverse].feature)
        and not ACTION_HANDLERS[action.kind].why_not_undoable(action, jobs)
    )
