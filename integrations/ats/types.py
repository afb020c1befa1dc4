"""Immutable, vendor-neutral records of an ATS. None means that the ATS, or this version of its API,
doesn't say; times are UTC.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from datetime import datetime
from enum import StrEnum
from typing import Any, Generic, Protocol, TypeVar

import msgspec

Record = TypeVar("Record", covariant=True)


# The ATS may add states, so record fields are plain strings.
class JobStatus(StrEnum):
    OPEN = "open"
    DRAFT = "draft"
    CLOSED = "closed"


class ApplicationStatus(StrEnum):
    ACTIVE = "active"  # v3's `in_process`
    REJECTED = "rejected"
    HIRED = "hired"
    CONVERTED = "converted"


class UnreadableRecord(msgspec.Struct, frozen=True, kw_only=True):
    remote_id: int | None
    reason: str


class Page(msgspec.Struct, Generic[Record], frozen=True, kw_only=True):
    records: tuple[Record, ...]
    set_aside: tuple[UnreadableRecord, ...] = ()
    # Opaque; pass it to the same call for the next page. None: the list is complete.
    cursor: str | None = None
    # The requested position was unknown, so the list restarts with this page.
    restarted: bool = False
    # Users whose records are all on this page, in a list that is read user by user.
    complete_users: tuple[int, ...] = ()
    # Records that the caller's `ChangeFilter` knew as they are, and that are not in `records`.
    unchanged_ids: tuple[int, ...] = ()

    @property
    def has_only_unchanged_records(self) -> bool:
        is_empty = not (self.records or self.set_aside or self.complete_users)
        return is_empty and not self.restarted


class ChangeFilter(Protocol):
    """Tells which records of a page are new or changed, so that only these are converted."""

    def compute_fingerprints(self, documents: Sequence[bytes]) -> Sequence[int]:
        """Return the fingerprints of records' JSON, which has only the fields that are read."""
        ...

    def select_changed(self, fingerprints: Mapping[int, int]) -> AbstractSet[int]:
        """Return the ids of a page's records that are not known with their fingerprint."""
        ...


class CompleteList(tuple[Record, ...]):
    """A list read to its end, with undecodable records in `set_aside`. Without a `remote_id`, such
    a record could be any, so nothing counts as missing.
    """

    set_aside: tuple[UnreadableRecord, ...]

    def __new__(
        cls, records: Iterable[Record] = (), set_aside: Iterable[UnreadableRecord] = ()
    ) -> CompleteList[Record]:
        instance = super().__new__(cls, records)
        instance.set_aside = tuple(set_aside)
        return instance


class _AtsRecord(msgspec.Struct, frozen=True, kw_only=True):
    id: int


class _ComparedRecord(_AtsRecord, frozen=True, kw_only=True):
    # Of the record as the ATS sent it, if it was read with a `ChangeFilter`.
    fingerprint: int | None = None


class UserEmail(msgspec.Struct, frozen=True, kw_only=True):
    user_id: int
    address: str
    verified: bool | None = None  # None: the ATS doesn't say


class User(_AtsRecord, frozen=True, kw_only=True):
    name: str
    primary_email: str | None  # None: a service account
    emails: tuple[str, ...] = ()
    site_admin: bool = False
    deactivated: bool = False


class UserRole(_AtsRecord, frozen=True, kw_only=True):
    name: str
    type: str  # job_admin, interviewer, site_admin or unknown


# Only explicit access. Site Admins' access is implicit.
class JobGrant(msgspec.Struct, frozen=True, kw_only=True):
    id: int
    user_id: int
    job_id: int
    role_id: int | None


class TeamMember(msgspec.Struct, frozen=True, kw_only=True):
    """A member of a job's hiring team. Not a permission, as Greenhouse's docs state."""

    job_id: int
    user_id: int
    role: str  # hiring_manager, recruiter, coordinator, sourcer


class Opening(_ComparedRecord, frozen=True, kw_only=True):
    job_id: int
    opening_id: str | None
    is_open: bool
    opened_at: datetime | None = None
    closed_at: datetime | None = None
    close_reason_id: int | None = None


class Job(_AtsRecord, frozen=True, kw_only=True):
    name: str
    status: str
    requisition_id: str | None = None
    confidential: bool = False
    is_template: bool = False  # the ATS lists templates as jobs
    department_ids: tuple[int, ...] = ()
    office_ids: tuple[int, ...] = ()
    opened_at: datetime | None = None
    closed_at: datetime | None = None
    hiring_team: tuple[TeamMember, ...] | None = None
    openings: tuple[Opening, ...] | None = None

    @property
    def is_requisition(self) -> bool:
        """Open templates have openings and applications, as any job; drafts are for copying."""
        return not (self.is_template and self.status == "draft")


class Department(_AtsRecord, frozen=True, kw_only=True):
    name: str


class Office(_AtsRecord, frozen=True, kw_only=True):
    name: str


class Stage(_ComparedRecord, frozen=True, kw_only=True):
    job_id: int
    name: str
    order: int  # starts at 0
    active: bool = True  # inactive ones remain for history


class JobPost(_ComparedRecord, frozen=True, kw_only=True):
    job_id: int | None  # None: a post for prospects
    title: str
    live: bool
    internal: bool
    active: bool = True
    public_url: str | None = None
    content: str | None = None


class CloseReason(_AtsRecord, frozen=True, kw_only=True):
    name: str


class RejectionReason(_AtsRecord, frozen=True, kw_only=True):
    name: str
    type_name: str = ""
    type_key: str = ""  # "SECURITY_CONCERN" among others; v3 only


class EmailTemplate(_AtsRecord, frozen=True, kw_only=True):
    """`body` is HTML or plain text, with tokens like `{{CANDIDATE_FIRST_NAME}}`."""

    name: str
    type: str = ""
    subject: str = ""
    body: str = ""
    sender: str = ""


class Source(_AtsRecord, frozen=True, kw_only=True):
    name: str


# A custom field's value as the ATS returns it; for a select, the names of the chosen options.
CustomValue = str | int | float | bool | list[Any] | dict[str, Any] | None


class CustomFieldOption(_AtsRecord, frozen=True, kw_only=True):
    name: str


class CustomField(_AtsRecord, frozen=True, kw_only=True):
    belongs_to: str  # the kind of record that has it
    key: str
    name: str
    type: str  # in the ATS's terms
    description: str = ""
    order: int = 0
    required: bool = False
    private: bool = False  # visible only with a permission that the API doesn't expose
    active: bool = True
    options: tuple[CustomFieldOption, ...] = ()  # active ones, in order


class SeenStage(msgspec.Struct, frozen=True, kw_only=True):
    """The stage the user saw when deciding; guards against acting on a stale page."""

    stage_id: int | None  # the job's stage
    # v3's id of the application's stage entry (`applications.stage_id`); None in v1. Sources
    # disagree on which of the two v3 expects back [inferred], so both are kept.
    entry_id: int | None = None


class ApplicationAnswer(msgspec.Struct, frozen=True, kw_only=True):
    question: str
    answer: str | None


class Application(_ComparedRecord, frozen=True, kw_only=True):
    candidate_id: int
    job_id: int | None  # None: a prospect
    status: str
    needs_decision: bool | None = None  # v3 only; None: unknown
    prospect: bool = False
    prospective_job_ids: tuple[int, ...] = ()
    stage_id: int | None = None
    stage_entry_id: int | None = None
    stage_name: str | None = None
    applied_at: datetime | None = None
    last_activity_at: datetime | None = None
    updated_at: datetime | None = None
    rejection_reason_id: int | None = None
    source_id: int | None = None
    source_name: str | None = None
    recruiter_id: int | None = None
    coordinator_id: int | None = None
    answers: tuple[ApplicationAnswer, ...] = ()
    custom_fields: dict[str, CustomValue] = {}

    @property
    def seen_stage(self) -> SeenStage:
        return SeenStage(stage_id=self.stage_id, entry_id=self.stage_entry_id)


# The time an application spent in a stage (v3 only).
class StageEntry(_AtsRecord, frozen=True, kw_only=True):
    application_id: int
    stage_id: int
    entered_at: datetime | None
    current: bool


class Attachment(msgspec.Struct, frozen=True, kw_only=True):
    filename: str
    type: str
    url: str  # expires within days, so never store it
    created_at: datetime | None = None


class Candidate(_ComparedRecord, frozen=True, kw_only=True):
    first_name: str
    last_name: str
    preferred_name: str | None = None  # v3 only
    can_email: bool = True
    company: str | None = None
    title: str | None = None
    private: bool = False
    emails: tuple[str, ...] = ()
    phones: tuple[str, ...] = ()
    links: tuple[str, ...] = ()  # websites and social media, as they were typed
    time_zone: str | None = None  # IANA name; v3 only


class RejectionEmail(msgspec.Struct, frozen=True, kw_only=True):
    template_id: int
    send_at: datetime | None = None  # None: immediately
    from_user_id: int | None = None


class ApplicationChanges(msgspec.Struct, frozen=True, kw_only=True):
    # None: leave unchanged.
    source_id: int | None = None
    recruiter_id: int | None = None
    coordinator_id: int | None = None
    # Field key -> new value. None clears it; a select takes an option id, a multi-select a list.
    custom_fields: dict[str, str | int | float | bool | list[int] | None] = {}


class WriteResult(msgspec.Struct, frozen=True, kw_only=True):
    application: Application | None  # None: accepted, but it could not be reread


class AccountSample(msgspec.Struct, frozen=True, kw_only=True):
    user_ids: frozenset[int] = frozenset()
    job_ids: frozenset[int] = frozenset()


class NoteVisibility(StrEnum):
    """Who sees a note in Greenhouse, in the words of its writes."""

    ADMIN_ONLY = "admin_only"
    PUBLIC = "public"
    PRIVATE = "private"


class Note(_AtsRecord, frozen=True, kw_only=True):
    body: str
    user_id: int | None = None
    created_at: datetime | None = None
