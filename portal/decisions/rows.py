"""Decisions as their reader may see them: names looked up now, notes only for those who may read
them in Greenhouse.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from itertools import islice
from typing import Any

from portal.accounts.models import FORMER_MEMBER, Membership
from portal.applications.actions.acting_user import AS_SERVICE_ACCOUNT
from portal.applications.actions.handlers import ACTION_HANDLERS
from portal.applications.models import ActionKind
from portal.applications.page.labels import get_candidate_label
from portal.core.database import read_only
from portal.decisions import seal
from portal.decisions.damaged_decisions import repair_shape
from portal.decisions.models import Decision
from portal.decisions.recorder import build_decision, load_surroundings
from portal.decisions.visible_decisions import visible_decisions, visible_open_actions
from portal.entitlements.job_titles import get_job_titles
from portal.entitlements.rules import Rights, recorded_applications
from portal.sync.models import Job

CHUNK_SIZE = 500
MAX_OPEN = 500  # listed of those that are not final yet
ERASED_LABEL = "Erased candidate"
_PAGE_LABELS = {
    "requisition": "List of applications",
    "review": "Review",
    "applicant": "Applicant page",
    "activity": "My activity",
    "history": "Application history",
    "batch": "Batch page",
    "same_person": "Applications of one person",
}
Result = Decision.Result


@dataclass(frozen=True)
class DecisionRow:
    decision: Decision
    who: str
    undone_by: str
    candidate: str
    target_job: str  # empty if the reader may not see it
    may_read_text: bool
    is_intact: bool  # as it was recorded, apart from what was erased

    @property
    def title(self) -> str:
        decision = self.decision
        if not decision.undoes_kind:
            return str(ActionKind(decision.kind).label)
        return f"Undo: {ActionKind(decision.undoes_kind).label}"

    @property
    def noun(self) -> str:
        return ACTION_HANDLERS[self.decision.kind].noun

    @property
    def undone_at(self) -> datetime | None:
        undone_at: datetime | None = getattr(self.decision, "undone_at", None)
        return undone_at

    @property
    def state(self) -> str:
        """For the pill."""
        return "undone" if self.undone_at else self.decision.result

    @property
    def result(self) -> str:
        return str(Result(self.decision.result).label)

    @property
    def is_rejection(self) -> bool:
        return self.decision.kind == ActionKind.REJECT

    @property
    def target(self) -> str:
        if self.decision.kind != ActionKind.TRANSFER:
            return self.decision.to_stage
        return self.target_job or "another requisition"

    @property
    def is_erased(self) -> bool:
        return self.decision.erased_at is not None

    @property
    def note(self) -> str:
        return str(self._free_text.get("note", ""))

    @property
    def highlighted_words(self) -> list[str]:
        highlighted_words: list[str] = self._free_text.get("words", [])
        return highlighted_words

    @property
    def filters(self) -> list[tuple[str, str]]:
        pairs = [(label, value) for label, value in self.decision.filters]
        if view := self._free_text.get("view"):
            pairs.insert(0, ("Saved view", view))
        return [*pairs, *((question, answer) for question, answer in self._answers)]

    @property
    def page_label(self) -> str:
        return _PAGE_LABELS.get(self.decision.page, "")

    @property
    def resume(self) -> str:
        opened = self.decision.resume_opened
        return "Not known" if opened is None else "Opened" if opened else "Not opened"

    @property
    def is_sealed(self) -> bool:
        """Decisions that are not final yet are not stored."""
        return self.decision.pk is not None

    @property
    def acting_note(self) -> str:
        return AS_SERVICE_ACCOUNT if self.decision.as_service_account else ""

    @property
    def _answers(self) -> list[list[str]]:
        answers: list[list[str]] = self._free_text.get("answers", [])
        return answers

    @property
    def _free_text(self) -> Mapping[str, Any]:
        return self.decision.free_text if self.may_read_text else {}


class RowBuilder:
    """Builds the rows of one requisition for one reader."""

    def __init__(self, job: Job, rights: Rights) -> None:
        self._job = job
        self._rights = rights

    def iterate(self) -> Iterator[DecisionRow]:
        """The whole record, the oldest first, and then what is not final yet."""
        decisions = visible_decisions(self._job, self._rights).order_by("number")
        remaining = decisions.iterator(chunk_size=CHUNK_SIZE)
        while chunk := list(islice(remaining, CHUNK_SIZE)):
            yield from self.build(chunk)
        yield from self.list_open()

    def list_open(self) -> list[DecisionRow]:
        actions = list(visible_open_actions(self._job, self._rights)[:MAX_OPEN])
        surroundings = load_surroundings(actions) if actions else None
        if surroundings is None:
            return []
        return self.build([build_decision(action, surroundings) for action in actions])

    def build(self, decisions: Iterable[Decision]) -> list[DecisionRow]:
        chunk = list(decisions)
        intact_ids = {decision.pk for decision in chunk if seal.has_valid_seal(decision)}
        for decision in chunk:
            if decision.pk is not None and decision.pk not in intact_ids:
                repair_shape(decision)
        candidates = self._load_candidate_labels(chunk)
        target_ids = {d.to_job_remote_id for d in chunk if d.to_job_remote_id is not None}
        member = self._rights.member
        titles = get_job_titles(member, target_ids, rights=self._rights) if target_ids else {}
        return [
            DecisionRow(
                decision,
                who=self._names.get(decision.membership_id, FORMER_MEMBER),
                undone_by=self._names.get(getattr(decision, "undone_by", None) or 0, ""),
                candidate=candidates.get(decision.application_remote_id, ERASED_LABEL),
                target_job=titles.get(decision.to_job_remote_id or 0, ""),
                may_read_text=self._may_read_text(decision),
                is_intact=decision.pk in intact_ids,
            )
            for decision in chunk
        ]

    @cached_property
    def _names(self) -> dict[int, str]:
        """Of all who are or were members, by their membership."""
        members = Membership.with_ended.filter(organization=self._rights.member.organization_id)
        return {member.pk: str(member.user) for member in members.select_related("user")}

    def _load_candidate_labels(self, decisions: Iterable[Decision]) -> dict[int, str]:
        applications = recorded_applications(self._rights.member, member_rights=self._rights)
        remote_ids = {decision.application_remote_id for decision in decisions}
        rows = applications.filter(remote_id__in=remote_ids).select_related("candidate")
        return {
            row.remote_id: ERASED_LABEL
            if row.candidate is not None and row.candidate.erased_at is not None
            else get_candidate_label(row, self._rights)
            for row in rows.defer("answers", "custom").order_by()
        }

    def _may_read_text(self, decision: Decision) -> bool:
        """Notes are read like those for Job Admins and Site Admins in Greenhouse, for whom the
        hiring team does not stand in; never by staff who view as a member.
        """
        if read_only.is_read_only():
            return False
        rights = self._rights
        user = rights.match.user
        is_own = decision.membership_id == rights.member.pk
        return is_own or not rights.uses_hiring_team or (user is not None and user.site_admin)
