"""Our copies of what an applicant tracking system holds, vendor-neutral and immutable.

Ids are the ATS's own (integers of up to 64 bits). `None` means "the ATS did not say". A list that
a generation of the API does not carry inside a record is `None` there (an empty one is `()`), and
has a list call of its own in the port. Times are aware, in UTC.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from enum import StrEnum
from typing import Any, Generic, TypeVar

import msgspec

Record = TypeVar("Record", covariant=True)


class JobStatus(StrEnum):
    """The states we know. The ATS may invent others: fields hold plain strings."""

    OPEN = "open"
    DRAFT = "draft"
    CLOSED = "closed"


class ApplicationStatus(StrEnum):
    """The states we know, in v1's words (v3's `in_process` is read as `active`)."""

    ACTIVE = "active"
    REJECTED = "rejected"
    HIRED = "hired"
    CONVERTED = "converted"


class SetAside(msgspec.Struct, frozen=True, kw_only=True):
    """A record that could not be read: counted and named, it never stops the page."""

    remote_id: int | None
    reason: str


class Page(msgspec.Struct, Generic[Record], frozen=True, kw_only=True):
    """One page of a list.

    `cursor` is opaque: handed back to the same list call it goes on behind this page; `None`
    means that this was the last one, and only then has the list been read completely. `restarted`:
    the place to go on from was no longer known, so that the list begins anew with this page.
    """

    records: tuple[Record, ...]
    set_aside: tuple[SetAside, ...] = ()
    cursor: str | None = None
    restarted: bool = False


class Listed(tuple[Record, ...]):
    """All of a short list: a tuple of its records that also holds those that could not be read.

    What is in neither is not in the list. One of `set_aside` without a `remote_id` may be any
    record: then nothing can be said to be missing.
    """

    set_aside: tuple[SetAside, ...]

    def __new__(
        cls, records: Iterable[Record] = (), set_aside: Iterable[SetAside] = ()
    ) -> Listed[Record]:
        made = super().__new__(cls, records)
        made.set_aside = tuple(set_aside)
        return made


class _Neutral(msgspec.Struct, frozen=True, kw_only=True):
    id: int


class UserEmail(msgspec.Struct, frozen=True, kw_only=True):
    """An address of a user. `verified` is None where the ATS does not tell."""

    user_id: int
    address: str
    verified: bool | None = None


class User(_Neutral, frozen=True, kw_only=True):
    """A person (or service account: no address) in the ATS."""

    name: str
    primary_email: str | None
    emails: tuple[str, ...] = ()
    site_admin: bool = False
    deactivated: bool = False
    updated_at: datetime | None = None


class UserRole(_Neutral, frozen=True, kw_only=True):
    """A role that a grant names. `type` is `job_admin`, `interviewer`, `site_admin` or unknown."""

    name: str
    type: str


class JobGrant(msgspec.Struct, frozen=True, kw_only=True):
    """A user's explicit access to one job. Site Admins have none: their access is implicit."""

    id: int
    user_id: int
    job_id: int
    role_id: int | None
    automated: bool | None = None


class FutureJobGrant(msgspec.Struct, frozen=True, kw_only=True):
    """Access that a user will get on jobs still to be made. Both places None = every job."""

    id: int
    user_id: int
    role_id: int | None
    department_id: int | None
    office_id: int | None


class TeamMember(msgspec.Struct, frozen=True, kw_only=True):
    """A place on a job's hiring team. Not a permission (Greenhouse says so itself)."""

    job_id: int
    user_id: int
    role: str  # hiring_manager, recruiter, coordinator, sourcer


class Opening(_Neutral, frozen=True, kw_only=True):
    """A seat to fill on a job."""

    job_id: int
    opening_id: str | None
    is_open: bool
    opened_at: datetime | None = None
    closed_at: datetime | None = None
    close_reason_id: int | None = None


class Job(_Neutral, frozen=True, kw_only=True):
    """A requisition. Templates (`is_template`) are in the ATS's list too, but are none."""

    name: str
    status: str
    requisition_id: str | None = None
    confidential: bool = False
    is_template: bool = False
    department_ids: tuple[int, ...] = ()
    office_ids: tuple[int, ...] = ()
    opened_at: datetime | None = None
    closed_at: datetime | None = None
    created_at: datetime | None = None
    updated_at: datetime | None = None
    hiring_team: tuple[TeamMember, ...] | None = None
    openings: tuple[Opening, ...] | None = None


class Department(_Neutral, frozen=True, kw_only=True):
    name: str
    parent_id: int | None = None


class Office(_Neutral, frozen=True, kw_only=True):
    name: str
    location: str | None = None
    parent_id: int | None = None


class Stage(_Neutral, frozen=True, kw_only=True):
    """A step of a job's interview plan. `order` starts at 0; inactive ones stay for history."""

    job_id: int
    name: str
    order: int
    active: bool = True
    updated_at: datetime | None = None


class JobPost(_Neutral, frozen=True, kw_only=True):
    """What a job looks like on a board. `job_id` None = a post for prospects."""

    job_id: int | None
    title: str
    live: bool
    internal: bool
    active: bool = True
    public_url: str | None = None
    content: str | None = None
    updated_at: datetime | None = None


class CloseReason(_Neutral, frozen=True, kw_only=True):
    name: str


class RejectionReason(_Neutral, frozen=True, kw_only=True):
    name: str
    type_name: str = ""


class EmailTemplate(_Neutral, frozen=True, kw_only=True):
    name: str
    type: str = ""


class Source(_Neutral, frozen=True, kw_only=True):
    name: str


CustomValue = str | int | float | bool | list[Any] | dict[str, Any] | None
"""What a custom field holds, as the ATS tells it: for a select the names of what was chosen."""


class CustomFieldOption(_Neutral, frozen=True, kw_only=True):
    """Something that can be chosen in a select."""

    name: str


class CustomField(_Neutral, frozen=True, kw_only=True):
    """A field that the customer added to the ATS's own.

    `belongs_to` is the kind of record that has it; `type` the ATS's word for what it holds.
    `private`: for people with a right of their own, which the API does not tell. `options` are
    those that can be chosen now, in their order.
    """

    belongs_to: str
    key: str
    name: str
    type: str
    description: str = ""
    order: int = 0
    required: bool = False
    private: bool = False
    active: bool = True
    options: tuple[CustomFieldOption, ...] = ()


class SeenStage(msgspec.Struct, frozen=True, kw_only=True):
    """Where the person saw the application when they decided: the guard against a stale screen.

    `stage_id` is the job's stage. `entry_id` is v3's id of the application's stay in that stage
    (`applications.stage_id`); None in v1. Sources disagree which of the two v3 wants back
    [inferred], so both are kept and the client decides in one place.
    """

    stage_id: int | None
    entry_id: int | None = None


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    question: str
    answer: str | None


class Application(_Neutral, frozen=True, kw_only=True):
    """One candidate's application. `job_id` None = a prospect without a job."""

    candidate_id: int
    job_id: int | None
    status: str
    prospect: bool = False
    prospective_job_ids: tuple[int, ...] = ()
    stage_id: int | None = None
    stage_entry_id: int | None = None
    stage_name: str | None = None
    applied_at: datetime | None = None
    rejected_at: datetime | None = None
    last_activity_at: datetime | None = None
    updated_at: datetime | None = None
    rejection_reason_id: int | None = None
    source_id: int | None = None
    source_name: str | None = None
    recruiter_id: int | None = None
    coordinator_id: int | None = None
    job_post_id: int | None = None
    answers: tuple[Answer, ...] = ()
    custom_fields: dict[str, CustomValue] = {}

    @property
    def seen_stage(self) -> SeenStage:
        """The stage as this copy shows it."""
        return SeenStage(stage_id=self.stage_id, entry_id=self.stage_entry_id)


class StageEntry(_Neutral, frozen=True, kw_only=True):
    """One stay of an application in a stage (v3 only)."""

    application_id: int
    stage_id: int
    entered_at: datetime | None
    exited_at: datetime | None
    current: bool


class Attachment(msgspec.Struct, frozen=True, kw_only=True):
    """A file of a candidate. `url` lives for days at most: use it at once, never store it."""

    filename: str
    type: str
    url: str
    created_at: datetime | None = None


class Candidate(_Neutral, frozen=True, kw_only=True):
    """A person who applied."""

    first_name: str
    last_name: str
    company: str | None = None
    title: str | None = None
    private: bool = False
    emails: tuple[str, ...] = ()
    phones: tuple[str, ...] = ()
    updated_at: datetime | None = None
    last_activity_at: datetime | None = None


class RejectionEmail(msgspec.Struct, frozen=True, kw_only=True):
    """The mail that goes with a rejection. `send_at` None = at once."""

    template_id: int
    send_at: datetime | None = None
    from_user_id: int | None = None


class ApplicationChanges(msgspec.Struct, frozen=True, kw_only=True):
    """What may be changed on an application. None = leave as it is.

    `custom_fields` maps a field's key to its new value: None empties it, a select takes the id of
    an option, a multiple select a list of them.
    """

    source_id: int | None = None
    recruiter_id: int | None = None
    coordinator_id: int | None = None
    custom_fields: dict[str, str | int | float | bool | list[int] | None] = {}


class Receipt(msgspec.Struct, frozen=True, kw_only=True):
    """The ATS accepted a write. `application` is as read afterwards; None = could not be re-read
    (the write has happened all the same)."""

    application: Application | None
