"""The sandbox's records, one class per kind, named as in Greenhouse.

Each API version has serializers for them. Timestamps are strings in the format of
:func:`.clock.format_timestamp`.
"""

from __future__ import annotations

from typing import Any

import msgspec

# The keyed form, ``{key: {name, type, value}}``; v1's plain form is derived from it.
CustomFields = dict[str, dict[str, Any]]


class Record(msgspec.Struct, kw_only=True):
    id: int
    created_at: str
    updated_at: str


class Department(Record, kw_only=True):
    name: str
    parent_id: int | None = None
    external_id: str | None = None


class Office(Record, kw_only=True):
    name: str
    location: str | None = None
    parent_id: int | None = None
    external_id: str | None = None
    primary_contact_user_id: int | None = None


class User(Record, kw_only=True):
    first_name: str | None
    last_name: str | None
    site_admin: bool = False
    deactivated: bool = False
    service_account: bool = False
    employee_id: str | None = None
    job_title: str | None = None
    office_ids: list[int] = []
    department_ids: list[int] = []
    linked_candidate_ids: list[int] = []

    @property
    def name(self) -> str:
        return " ".join(part for part in (self.first_name, self.last_name) if part)


class UserEmail(Record, kw_only=True):
    user_id: int
    email: str
    primary: bool = True
    verified: bool = True


class UserRole(Record, kw_only=True):
    """A role on a job; its rights are hidden from the API, as in Greenhouse."""

    name: str
    role_type: str  # interviewer | job_admin
    # The state file has the older names.
    can_advance: bool = msgspec.field(default=False, name="may_advance")
    can_reject: bool = msgspec.field(default=False, name="may_reject")


class JobPermission(Record, kw_only=True):
    user_id: int
    job_id: int
    role_id: int
    automated: bool | None = False


class FutureJobPermission(Record, kw_only=True):
    user_id: int
    role_id: int
    department_id: int | None = None
    office_id: int | None = None


class Job(Record, kw_only=True):
    name: str
    requisition_id: str | None = None
    notes: str | None = None
    confidential: bool = False
    status: str = "open"  # open | draft | closed
    opened_at: str | None = None
    closed_at: str | None = None
    is_template: bool | None = False
    copied_from_id: int | None = None
    department_id: int | None = None
    office_ids: list[int] = []
    custom: CustomFields = {}

    @property
    def is_requisition(self) -> bool:
        return not (self.is_template and self.status == "draft")


class Stage(Record, kw_only=True):
    job_id: int
    name: str
    priority: int
    active: bool = True


class JobPost(Record, kw_only=True):
    job_id: int | None
    title: str
    internal: bool = False
    active: bool = True
    live: bool = True
    first_published_at: str | None = None
    content: str | None = None
    internal_content: str | None = None
    location: str | None = None
    office_id: int | None = None


class Opening(Record, kw_only=True):
    job_id: int
    opening_id: str | None = None
    open: bool = True
    opened_at: str | None = None
    closed_at: str | None = None
    sort_order: int = 0
    application_id: int | None = None
    close_reason_id: int | None = None
    custom: CustomFields = {}


class TeamMember(Record, kw_only=True):
    """A hiring team membership, which grants no rights."""

    job_id: int
    user_id: int
    type: str  # hiring_manager | recruiter | coordinator | sourcer
    responsible: bool = False


class CloseReason(Record, kw_only=True):
    name: str


class RejectionReason(Record, kw_only=True):
    name: str
    type_id: int
    default: bool = False


class Source(Record, kw_only=True):
    name: str
    type_id: int
    type_name: str


class Referrer(Record, kw_only=True):
    user_id: int | None
    name: str


class EmailTemplate(Record, kw_only=True):
    name: str
    email_type: str
    default: bool = False
    user_id: int | None = None  # None: organization-wide
    subject: str | None = None
    html_body: str | None = None


class CustomField(Record, kw_only=True):
    name: str
    name_key: str
    value_type: str
    field_type: str = "application"
    priority: int = 0
    description: str | None = None
    required: bool = False
    private: bool = False
    active: bool = True


class CustomFieldOption(Record, kw_only=True):
    custom_field_id: int
    name: str
    priority: int = 0
    active: bool = True


class Candidate(Record, kw_only=True):
    first_name: str | None
    last_name: str | None
    preferred_name: str | None = None
    company: str | None = None
    title: str | None = None
    private: bool = False
    can_email: bool = True
    time_zone: str | None = None  # a Rails name
    last_activity_at: str | None = None
    recruiter_id: int | None = None
    coordinator_id: int | None = None
    emails: list[dict[str, str]] = []
    phones: list[dict[str, str]] = []
    addresses: list[dict[str, str]] = []
    websites: list[dict[str, str]] = []
    social: list[dict[str, str]] = []
    tags: list[str] = []
    educations: list[dict[str, Any]] = []
    employments: list[dict[str, Any]] = []
    linked_user_ids: list[int] = []
    custom: CustomFields = {}


class Attachment(Record, kw_only=True):
    candidate_id: int
    application_id: int
    filename: str
    type: str = "resume"
    content: bytes = b""  # empty: a sample by the name's extension


class Application(Record, kw_only=True):
    """``stage_id`` is the job stage, ``entry_id`` the current stage history row."""

    candidate_id: int
    job_id: int | None = None
    prospective_job_ids: list[int] = []
    prospect: bool = False
    status: str = "active"  # active | rejected | hired | converted
    stage_id: int | None = None
    entry_id: int | None = None
    job_post_id: int | None = None
    source_id: int | None = None
    referrer_id: int | None = None
    recruiter_id: int | None = None
    coordinator_id: int | None = None
    rejected_at: str | None = None
    rejection_reason_id: int | None = None
    last_activity_at: str | None = None
    location: str | None = None
    needs_decision: bool | None = None
    answers: list[dict[str, str | None]] = []
    prospective_department_id: int | None = None
    prospective_office_id: int | None = None
    prospect_owner_id: int | None = None
    custom: CustomFields = {}


class ApplicationStage(Record, kw_only=True):
    application_id: int
    stage_id: int
    entered_at: str | None = None
    exited_at: str | None = None
    current: bool = False


class RejectionDetail(Record, kw_only=True):
    application_id: int
    rejection_reason_id: int | None = None
    rejected_by_id: int | None = None
    rejected_at: str | None = None
    notes: str | None = None


class Scorecard(Record, kw_only=True):
    """An interviewer's notes; the private ones are not for everybody in Greenhouse."""

    application_id: int
    interviewer_id: int
    interviewed_at: str | None = None
    submitted_at: str | None = None
    candidate_rating: str | None = None
    notes: str | None = None
    public_notes: str | None = None
    private_notes: str | None = None

    @property
    def status(self) -> str:
        return "complete" if self.submitted_at else "draft"


class ScheduledEmail(Record, kw_only=True):
    """An email requested with a rejection; only the control endpoint shows it."""

    application_id: int
    email_template_id: int
    send_email_at: str | None = None
    on_behalf_of: int | None = None


class Note(Record, kw_only=True):
    """``visibility`` is spelled as in reads: v3's writes leave out ``_visible``."""

    candidate_id: int
    application_id: int | None = None  # None: written through v1, which can't name one
    user_id: int | None = None
    body: str = ""
    type: str = "NOTE"
    visibility: str = "admin_only_visible"


# By table name, which is v3's name where it has one.
RECORD_TYPES: dict[str, type[Record]] = {
    "users": User,
    "user_emails": UserEmail,
    "user_roles": UserRole,
    "user_job_permissions": JobPermission,
    "future_job_permissions": FutureJobPermission,
    "departments": Department,
    "offices": Office,
    "jobs": Job,
    "job_interview_stages": Stage,
    "job_posts": JobPost,
    "openings": Opening,
    "team_members": TeamMember,
    "close_reasons": CloseReason,
    "rejection_reasons": RejectionReason,
    "sources": Source,
    "referrers": Referrer,
    "email_templates": EmailTemplate,
    "candidates": Candidate,
    "attachments": Attachment,
    "applications": Application,
    "application_stages": ApplicationStage,
    "rejection_details": RejectionDetail,
    "scheduled_emails": ScheduledEmail,
    "custom_fields": CustomField,
    "custom_field_options": CustomFieldOption,
    "scorecards": Scorecard,
    "notes": Note,
}
