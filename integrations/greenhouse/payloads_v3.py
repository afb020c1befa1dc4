"""Harvest v3 payloads, flat rows of ids, in our words.

Source: Greenhouse's OpenAPI document for v3 (its list schemas). Newer fields that some accounts do
not answer yet (`job_interview_stage_id`, `rejection_reason_id`) are optional. Flags that decide
who sees what (`confidential`, `deactivated`, `private`) are read as the narrower value where they
are missing or null: inferred, deny by default. A `private` of null is the exception: the document
says that it defaults to false.
"""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import UNSET, UnsetType

from integrations.ats.types import (
    Application,
    ApplicationStatus,
    Attachment,
    Candidate,
    CloseReason,
    Department,
    EmailTemplate,
    FutureJobGrant,
    Job,
    JobGrant,
    JobPost,
    Office,
    Opening,
    RejectionReason,
    Source,
    Stage,
    StageEntry,
    TeamMember,
    User,
    UserEmail,
    UserRole,
)
from integrations.greenhouse.payloads_both import Answers, Values, answers, custom_values, values
from integrations.greenhouse.reading import (
    Moment,
    Text,
    distinct,
    full_name,
    moment,
    reader,
    text,
    words,
)

_Ids = list[int | None] | None


def _present(ids: _Ids) -> tuple[int, ...]:
    return tuple(one for one in ids or () if one is not None)


# -- people ------------------------------------------------------------------------------------
class _User(msgspec.Struct):
    id: int
    name: Text = None
    first_name: Text = None
    last_name: Text = None
    primary_email: Text = None
    emails: list[Text] | None = None
    site_admin: bool | None = None
    deactivated: bool | None = None
    updated_at: Moment = None


def _user(wire: _User) -> User:
    return User(
        id=wire.id,
        name=full_name(wire.name, wire.first_name, wire.last_name),
        primary_email=words(wire.primary_email),
        emails=distinct(wire.emails or ()),
        site_admin=wire.site_admin is True,
        deactivated=wire.deactivated is not False,
        updated_at=moment(wire.updated_at),
    )


class _UserEmail(msgspec.Struct):
    user_id: int
    email: str
    verified: bool | None = None


class _Role(msgspec.Struct):
    id: int
    name: Text = None
    role_type: Text = None


def _role(wire: _Role) -> UserRole:
    kind = text(wire.role_type).removeprefix("deprecated_")
    return UserRole(id=wire.id, name=text(wire.name), type=kind)


class _Grant(msgspec.Struct):
    id: int
    user_id: int
    job_id: int
    role_id: int | None = None
    automated: bool | None = None


def _grant(wire: _Grant) -> JobGrant:
    return JobGrant(
        id=wire.id,
        user_id=wire.user_id,
        job_id=wire.job_id,
        role_id=wire.role_id,
        automated=wire.automated,
    )


class _FutureGrant(msgspec.Struct):
    id: int
    user_id: int
    role_id: int | None = None
    department_id: int | None = None
    office_id: int | None = None


def _future_grant(wire: _FutureGrant) -> FutureJobGrant:
    return FutureJobGrant(
        id=wire.id,
        user_id=wire.user_id,
        role_id=wire.role_id,
        department_id=wire.department_id,
        office_id=wire.office_id,
    )


class _Place(msgspec.Struct):
    job_id: int
    user_id: int
    type: Text = None


# -- jobs --------------------------------------------------------------------------------------
class _Job(msgspec.Struct):
    id: int
    name: Text = None
    status: Text = None
    requisition_id: Text = None
    confidential: bool | None = None
    is_template: bool | None = None
    department_id: int | None = None
    office_ids: _Ids = None
    opened_at: Moment = None
    closed_at: Moment = None
    created_at: Moment = None
    updated_at: Moment = None


def _job(wire: _Job) -> Job:
    return Job(
        id=wire.id,
        name=text(wire.name),
        status=text(wire.status),
        requisition_id=words(wire.requisition_id),
        confidential=wire.confidential is not False,
        is_template=wire.is_template is True,
        department_ids=_present([wire.department_id]),
        office_ids=_present(wire.office_ids),
        opened_at=moment(wire.opened_at),
        closed_at=moment(wire.closed_at),
        created_at=moment(wire.created_at),
        updated_at=moment(wire.updated_at),
    )


class _Opening(msgspec.Struct):
    id: int
    job_id: int
    opening_id: Text = None
    open: bool | None = None
    opened_at: Moment = None
    closed_at: Moment = None
    close_reason_id: int | None = None


def _opening(wire: _Opening) -> Opening:
    return Opening(
        id=wire.id,
        job_id=wire.job_id,
        opening_id=words(wire.opening_id),
        is_open=wire.open is True,
        opened_at=moment(wire.opened_at),
        closed_at=moment(wire.closed_at),
        close_reason_id=wire.close_reason_id,
    )


class _Stage(msgspec.Struct):
    id: int
    job_id: int
    name: Text = None
    sort_order: int | None = None
    active: bool | None = None
    updated_at: Moment = None


def _stage(wire: _Stage) -> Stage:
    return Stage(
        id=wire.id,
        job_id=wire.job_id,
        name=text(wire.name),
        order=wire.sort_order or 0,
        active=wire.active is not False,
        updated_at=moment(wire.updated_at),
    )


class _Post(msgspec.Struct):
    id: int
    job_id: int | None = None
    title: Text = None
    live: bool | None = None
    internal: bool | None = None
    active: bool | None = None
    public_url: Text = None
    content: Text = None
    updated_at: Moment = None


def _post(wire: _Post) -> JobPost:
    return JobPost(
        id=wire.id,
        job_id=wire.job_id,
        title=text(wire.title),
        live=wire.live is True,
        internal=wire.internal is True,
        active=wire.active is not False,
        public_url=words(wire.public_url),
        content=words(wire.content),
        updated_at=moment(wire.updated_at),
    )


# -- applications and candidates ---------------------------------------------------------------
class _Application(msgspec.Struct):
    id: int
    candidate_id: int
    job_id: int | None = None
    status: Text = None
    prospect: bool | None = None
    prospective_job_ids: _Ids = None
    stage_id: int | None = None  # an application stage, not a stage of the job
    job_interview_stage_id: int | None = None  # newer accounts
    stage_name: Text = None
    created_at: Moment = None
    rejected_at: Moment = None
    last_activity_at: Moment = None
    updated_at: Moment = None
    rejection_reason_id: int | None = None  # newer accounts
    source_id: int | None = None
    recruiter_id: int | None = None
    coordinator_id: int | None = None
    job_post_id: int | None = None
    answers: Answers = None
    custom_fields: Any = None


def _application(wire: _Application) -> Application:
    return Application(
        id=wire.id,
        candidate_id=wire.candidate_id,
        job_id=wire.job_id,
        status=_status(wire.status),
        prospect=wire.prospect is True,
        prospective_job_ids=_present(wire.prospective_job_ids),
        stage_id=wire.job_interview_stage_id,
        stage_entry_id=wire.stage_id,
        stage_name=words(wire.stage_name),
        applied_at=moment(wire.created_at),
        rejected_at=moment(wire.rejected_at),
        last_activity_at=moment(wire.last_activity_at),
        updated_at=moment(wire.updated_at),
        rejection_reason_id=wire.rejection_reason_id,
        source_id=wire.source_id,
        recruiter_id=wire.recruiter_id,
        coordinator_id=wire.coordinator_id,
        job_post_id=wire.job_post_id,
        answers=answers(wire.answers),
        custom_fields=custom_values(wire.custom_fields),
    )


def _status(status: Text) -> str:
    return ApplicationStatus.ACTIVE.value if status == "in_process" else text(status)


class _Entry(msgspec.Struct):
    id: int
    application_id: int
    job_interview_stage_id: int
    entered_at: Moment = None
    exited_at: Moment = None
    current: bool | None = None


def _entry(wire: _Entry) -> StageEntry:
    return StageEntry(
        id=wire.id,
        application_id=wire.application_id,
        stage_id=wire.job_interview_stage_id,
        entered_at=moment(wire.entered_at),
        exited_at=moment(wire.exited_at),
        current=wire.current is True,
    )


class _Candidate(msgspec.Struct):
    id: int
    first_name: Text = None
    last_name: Text = None
    company: Text = None
    title: Text = None
    private: bool | UnsetType | None = UNSET
    email_addresses: Values = None
    phone_numbers: Values = None
    updated_at: Moment = None
    last_activity_at: Moment = None


def _candidate(wire: _Candidate) -> Candidate:
    return Candidate(
        id=wire.id,
        first_name=text(wire.first_name),
        last_name=text(wire.last_name),
        company=words(wire.company),
        title=words(wire.title),
        private=wire.private not in (False, None),  # its default is false (documented)
        emails=values(wire.email_addresses),
        phones=values(wire.phone_numbers),
        updated_at=moment(wire.updated_at),
        last_activity_at=moment(wire.last_activity_at),
    )


class _Attachment(msgspec.Struct):
    url: str
    candidate_id: int | None = None
    filename: Text = None
    type: Text = None
    created_at: Moment = None


class OwnedAttachment(msgspec.Struct, frozen=True):
    """A file with the candidate whose it is: the list is checked against what was asked."""

    candidate_id: int | None
    file: Attachment


# -- small lists -------------------------------------------------------------------------------
class _Department(msgspec.Struct):
    id: int
    name: Text = None
    parent_id: int | None = None


class _Office(msgspec.Struct):
    id: int
    name: Text = None
    parent_id: int | None = None
    location: Text = None


class _ReasonType(msgspec.Struct):
    name: Text = None


class _Reason(msgspec.Struct):
    id: int
    name: Text = None
    type: _ReasonType | None = None


class _Named(msgspec.Struct):
    id: int
    name: Text = None


class _Template(msgspec.Struct):
    id: int
    name: Text = None
    email_type: Text = None


read_user = reader(_User, _user)
read_user_email = reader(
    _UserEmail,
    lambda w: UserEmail(user_id=w.user_id, address=text(w.email).strip(), verified=w.verified),
)
read_user_role = reader(_Role, _role)
read_grant = reader(_Grant, _grant)
read_future_grant = reader(_FutureGrant, _future_grant)
read_owner = reader(
    _Place, lambda w: TeamMember(job_id=w.job_id, user_id=w.user_id, role=text(w.type))
)
read_hiring_manager = reader(
    _Place, lambda w: TeamMember(job_id=w.job_id, user_id=w.user_id, role="hiring_manager")
)
read_job = reader(_Job, _job)
read_opening = reader(_Opening, _opening)
read_stage = reader(_Stage, _stage)
read_job_post = reader(_Post, _post)
read_application = reader(_Application, _application)
read_stage_entry = reader(_Entry, _entry)
read_candidate = reader(_Candidate, _candidate)
read_attachment = reader(
    _Attachment,
    lambda w: OwnedAttachment(
        w.candidate_id,
        Attachment(
            filename=text(w.filename),
            type=text(w.type),
            url=text(w.url),
            created_at=moment(w.created_at),
        ),
    ),
)
read_department = reader(
    _Department, lambda w: Department(id=w.id, name=text(w.name), parent_id=w.parent_id)
)
read_office = reader(
    _Office,
    lambda w: Office(id=w.id, name=text(w.name), location=words(w.location), parent_id=w.parent_id),
)
read_close_reason = reader(_Named, lambda w: CloseReason(id=w.id, name=text(w.name)))
read_rejection_reason = reader(
    _Reason,
    lambda w: RejectionReason(
        id=w.id, name=text(w.name), type_name=text(w.type.name) if w.type else ""
    ),
)
read_email_template = reader(
    _Template, lambda w: EmailTemplate(id=w.id, name=text(w.name), type=text(w.email_type))
)
read_source = reader(_Named, lambda w: Source(id=w.id, name=text(w.name)))
