"""Convert Harvest v3 payloads to our types."""

# Source: v3 OpenAPI document. Newer fields that some accounts lack (`job_interview_stage_id`,
# `rejection_reason_id`) are optional. Flags that restrict visibility (`confidential`,
# `deactivated`, `private`) default to the restrictive value if missing or null (inferred), except
# that a `private` of null means false (documented).

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import UNSET, UnsetType

from integrations.ats.record_ids import RecordId
from integrations.ats.types import (
    Application,
    ApplicationStatus,
    Attachment,
    Candidate,
    CloseReason,
    Department,
    EmailTemplate,
    Job,
    JobGrant,
    JobPost,
    Note,
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
from integrations.greenhouse.payloads.decoding import (
    RawText,
    RawTimestamp,
    build_full_name,
    make_reader,
    parse_timestamp,
    to_order,
    to_stripped_text,
    to_text,
    unique_texts,
)
from integrations.greenhouse.payloads.shared import (
    AnswerItems,
    ValueItems,
    convert_answers,
    extract_custom_values,
    extract_values,
)
from integrations.greenhouse.payloads.time_zones import find_time_zone

_Ids = list[RecordId | None] | None


def _drop_nulls(ids: _Ids) -> tuple[int, ...]:
    return tuple(record_id for record_id in ids or () if record_id is not None)


# -- people ------------------------------------------------------------------------------------
class _User(msgspec.Struct):
    id: RecordId
    name: RawText = None
    first_name: RawText = None
    last_name: RawText = None
    primary_email: RawText = None
    emails: list[RawText] | None = None
    site_admin: bool | None = None
    deactivated: bool | None = None


def _convert_user(wire: _User) -> User:
    return User(
        id=wire.id,
        name=build_full_name(wire.name, wire.first_name, wire.last_name),
        primary_email=to_stripped_text(wire.primary_email),
        emails=unique_texts(wire.emails or ()),
        site_admin=wire.site_admin is True,
        deactivated=wire.deactivated is not False,
    )


class _UserEmail(msgspec.Struct):
    user_id: RecordId
    email: str
    verified: bool | None = None


class _UserRole(msgspec.Struct):
    id: RecordId
    name: RawText = None
    role_type: RawText = None


def _convert_role(wire: _UserRole) -> UserRole:
    kind = to_text(wire.role_type).removeprefix("deprecated_")
    return UserRole(id=wire.id, name=to_text(wire.name), type=kind)


class _JobGrant(msgspec.Struct):
    id: RecordId
    user_id: RecordId
    job_id: RecordId
    role_id: RecordId | None = None


def _convert_grant(wire: _JobGrant) -> JobGrant:
    return JobGrant(
        id=wire.id,
        user_id=wire.user_id,
        job_id=wire.job_id,
        role_id=wire.role_id,
    )


class _TeamMember(msgspec.Struct):
    job_id: RecordId
    user_id: RecordId
    type: RawText = None


# -- jobs --------------------------------------------------------------------------------------
class _Job(msgspec.Struct):
    id: RecordId
    name: RawText = None
    status: RawText = None
    requisition_id: RawText = None
    confidential: bool | None = None
    is_template: bool | None = None
    department_id: RecordId | None = None
    office_ids: _Ids = None
    opened_at: RawTimestamp = None
    closed_at: RawTimestamp = None


def _convert_job(wire: _Job) -> Job:
    return Job(
        id=wire.id,
        name=to_text(wire.name),
        status=to_text(wire.status),
        requisition_id=to_stripped_text(wire.requisition_id),
        confidential=wire.confidential is not False,
        is_template=wire.is_template is True,
        department_ids=_drop_nulls([wire.department_id]),
        office_ids=_drop_nulls(wire.office_ids),
        opened_at=parse_timestamp(wire.opened_at),
        closed_at=parse_timestamp(wire.closed_at),
    )


class _Opening(msgspec.Struct):
    id: RecordId
    job_id: RecordId
    opening_id: RawText = None
    open: bool | None = None
    opened_at: RawTimestamp = None
    closed_at: RawTimestamp = None
    close_reason_id: RecordId | None = None


def _convert_opening(wire: _Opening) -> Opening:
    return Opening(
        id=wire.id,
        job_id=wire.job_id,
        opening_id=to_stripped_text(wire.opening_id),
        is_open=wire.open is True,
        opened_at=parse_timestamp(wire.opened_at),
        closed_at=parse_timestamp(wire.closed_at),
        close_reason_id=wire.close_reason_id,
    )


class _Stage(msgspec.Struct):
    id: RecordId
    job_id: RecordId
    name: RawText = None
    sort_order: int | None = None
    active: bool | None = None


def _convert_stage(wire: _Stage) -> Stage:
    return Stage(
        id=wire.id,
        job_id=wire.job_id,
        name=to_text(wire.name),
        order=to_order(wire.sort_order),
        active=wire.active is not False,
    )


class _JobPost(msgspec.Struct):
    id: RecordId
    job_id: RecordId | None = None
    title: RawText = None
    live: bool | None = None
    internal: bool | None = None
    active: bool | None = None
    public_url: RawText = None
    content: RawText = None


def _convert_job_post(wire: _JobPost) -> JobPost:
    return JobPost(
        id=wire.id,
        job_id=wire.job_id,
        title=to_text(wire.title),
        live=wire.live is True,
        internal=wire.internal is True,
        active=wire.active is not False,
        public_url=to_stripped_text(wire.public_url),
        content=to_stripped_text(wire.content),
    )


# -- applications and candidates ---------------------------------------------------------------
class _Application(msgspec.Struct):
    id: RecordId
    candidate_id: RecordId
    job_id: RecordId | None = None
    status: RawText = None
    needs_decision: bool | None = None
    prospect: bool | None = None
    prospective_job_ids: _Ids = None
    stage_id: RecordId | None = None  # id of a stage history entry, not of a job stage
    job_interview_stage_id: RecordId | None = None  # newer accounts
    stage_name: RawText = None
    created_at: RawTimestamp = None
    last_activity_at: RawTimestamp = None
    updated_at: RawTimestamp = None
    rejection_reason_id: RecordId | None = None  # newer accounts
    source_id: RecordId | None = None
    recruiter_id: RecordId | None = None
    coordinator_id: RecordId | None = None
    answers: AnswerItems = None
    custom_fields: Any = None


def _convert_application(wire: _Application) -> Application:
    return Application(
        id=wire.id,
        candidate_id=wire.candidate_id,
        job_id=wire.job_id,
        status=_convert_status(wire.status),
        needs_decision=wire.needs_decision,
        prospect=wire.prospect is True,
        prospective_job_ids=_drop_nulls(wire.prospective_job_ids),
        stage_id=wire.job_interview_stage_id,
        stage_entry_id=wire.stage_id,
        stage_name=to_stripped_text(wire.stage_name),
        applied_at=parse_timestamp(wire.created_at),
        last_activity_at=parse_timestamp(wire.last_activity_at),
        updated_at=parse_timestamp(wire.updated_at),
        rejection_reason_id=wire.rejection_reason_id,
        source_id=wire.source_id,
        recruiter_id=wire.recruiter_id,
        coordinator_id=wire.coordinator_id,
        answers=convert_answers(wire.answers),
        custom_fields=extract_custom_values(wire.custom_fields),
    )


def _convert_status(status: RawText) -> str:
    return ApplicationStatus.ACTIVE.value if status == "in_process" else to_text(status)


class _StageEntry(msgspec.Struct):
    id: RecordId
    application_id: RecordId
    job_interview_stage_id: RecordId
    entered_at: RawTimestamp = None
    current: bool | None = None


def _convert_stage_entry(wire: _StageEntry) -> StageEntry:
    return StageEntry(
        id=wire.id,
        application_id=wire.application_id,
        stage_id=wire.job_interview_stage_id,
        entered_at=parse_timestamp(wire.entered_at),
        current=wire.current is True,
    )


class _Candidate(msgspec.Struct):
    id: RecordId
    first_name: RawText = None
    last_name: RawText = None
    preferred_name: RawText = None
    can_email: bool | None = None
    company: RawText = None
    title: RawText = None
    private: bool | UnsetType | None = UNSET
    email_addresses: ValueItems = None
    phone_numbers: ValueItems = None
    website_addresses: ValueItems = None
    social_media_addresses: ValueItems = None
    time_zone: RawText = None


def _convert_candidate(wire: _Candidate) -> Candidate:
    return Candidate(
        id=wire.id,
        first_name=to_text(wire.first_name),
        last_name=to_text(wire.last_name),
        preferred_name=to_stripped_text(wire.preferred_name),
        can_email=wire.can_email is not False,
        company=to_stripped_text(wire.company),
        title=to_stripped_text(wire.title),
        private=wire.private not in (False, None),  # null: documented default
        emails=extract_values(wire.email_addresses),
        phones=extract_values(wire.phone_numbers),
        links=(
            *extract_values(wire.website_addresses),
            *extract_values(wire.social_media_addresses),
        ),
        time_zone=find_time_zone(to_stripped_text(wire.time_zone)),
    )


class _Attachment(msgspec.Struct):
    url: str
    candidate_id: RecordId | None = None
    filename: RawText = None
    type: RawText = None
    created_at: RawTimestamp = None


class OwnedAttachment(msgspec.Struct, frozen=True):
    """An attachment with its candidate's id, to verify the list's filter."""

    candidate_id: RecordId | None
    file: Attachment


class _Note(msgspec.Struct):
    id: RecordId
    application_id: RecordId | None = None
    user_id: RecordId | None = None
    body: RawText = None
    created_at: RawTimestamp = None


class ApplicationNote(msgspec.Struct, frozen=True):
    """A note with its application's id, to verify the list's filter."""

    application_id: RecordId | None
    note: Note


# -- small lists -------------------------------------------------------------------------------
class _Department(msgspec.Struct):
    id: RecordId
    name: RawText = None


class _Office(msgspec.Struct):
    id: RecordId
    name: RawText = None


class _ReasonType(msgspec.Struct):
    key: RawText = None
    name: RawText = None


class _Reason(msgspec.Struct):
    id: RecordId
    name: RawText = None
    type: _ReasonType | None = None


class _NamedRecord(msgspec.Struct):
    id: RecordId
    name: RawText = None


class _EmailTemplate(msgspec.Struct):
    id: RecordId
    name: RawText = None
    email_type: RawText = None
    subject: RawText = None
    body: RawText = None
    html_body: RawText = None


read_user = make_reader(_User, _convert_user)
read_user_email = make_reader(
    _UserEmail,
    lambda w: UserEmail(user_id=w.user_id, address=to_text(w.email).strip(), verified=w.verified),
)
read_user_role = make_reader(_UserRole, _convert_role)
read_grant = make_reader(_JobGrant, _convert_grant)
read_owner = make_reader(
    _TeamMember, lambda w: TeamMember(job_id=w.job_id, user_id=w.user_id, role=to_text(w.type))
)
read_hiring_manager = make_reader(
    _TeamMember,
    lambda w: TeamMember(job_id=w.job_id, user_id=w.user_id, role="hiring_manager"),
    fields=("job_id", "user_id"),
)
read_job = make_reader(_Job, _convert_job)
read_opening = make_reader(_Opening, _convert_opening)
read_stage = make_reader(_Stage, _convert_stage)
read_job_post = make_reader(_JobPost, _convert_job_post)
read_application = make_reader(_Application, _convert_application)
read_stage_entry = make_reader(_StageEntry, _convert_stage_entry)
read_candidate = make_reader(_Candidate, _convert_candidate)
read_attachment = make_reader(
    _Attachment,
    lambda w: OwnedAttachment(
        w.candidate_id,
        Attachment(
            filename=to_text(w.filename),
            type=to_text(w.type),
            url=to_text(w.url),
            created_at=parse_timestamp(w.created_at),
        ),
    ),
)
read_application_note = make_reader(
    _Note,
    lambda w: ApplicationNote(
        w.application_id,
        Note(
            id=w.id,
            body=to_text(w.body),
            user_id=w.user_id,
            created_at=parse_timestamp(w.created_at),
        ),
    ),
)
read_department = make_reader(_Department, lambda w: Department(id=w.id, name=to_text(w.name)))
read_office = make_reader(
    _Office,
    lambda w: Office(
        id=w.id,
        name=to_text(w.name),
    ),
)
read_close_reason = make_reader(_NamedRecord, lambda w: CloseReason(id=w.id, name=to_text(w.name)))
read_rejection_reason = make_reader(
    _Reason,
    lambda w: RejectionReason(
        id=w.id,
        name=to_text(w.name),
        type_name=to_text(w.type.name) if w.type else "",
        type_key=to_text(w.type.key) if w.type else "",
    ),
)
read_email_template = make_reader(
    _EmailTemplate,
    lambda w: EmailTemplate(
        id=w.id,
        name=to_text(w.name),
        type=to_text(w.email_type),
        subject=to_text(w.subject),
        body=to_text(w.html_body) or to_text(w.body),
    ),
)
read_source = make_reader(_NamedRecord, lambda w: Source(id=w.id, name=to_text(w.name)))
