"""Convert Harvest v1 payloads to our types."""

# Source: Harvest v1 documentation, "The … Object" of every resource. Only ids that a record
# cannot do without are required. Flags that restrict visibility (`confidential`, `disabled`,
# `is_private`) default to the restrictive value if missing or null (inferred).

from __future__ import annotations

from typing import Any

import msgspec

from integrations.ats.record_ids import RecordId
from integrations.ats.types import (
    Application,
    Attachment,
    Candidate,
    CloseReason,
    Department,
    EmailTemplate,
    Job,
    JobGrant,
    JobPost,
    Office,
    Opening,
    RejectionReason,
    Source,
    Stage,
    TeamMember,
    User,
    UserRole,
)
from integrations.greenhouse.payloads.decoding import (
    RawText,
    RawTimestamp,
    RecordParser,
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


class _Ref(msgspec.Struct):
    id: RecordId | None = None  # some references come without one
    name: RawText = None
    user_id: RecordId | None = None  # in rows of GET /jobs/{id}/hiring_team
    public_name: RawText = None  # of sources inside applications
    type: Any = None


_Refs = list[_Ref | None] | None  # `departments: [null]` occurs in real accounts


def _collect_ids(refs: _Refs) -> tuple[int, ...]:
    return tuple(ref.id for ref in refs or () if ref is not None and ref.id is not None)


def _get_id(ref: _Ref | None) -> int | None:
    return ref.id if ref else None


def _get_name(ref: _Ref | None) -> str | None:
    return to_stripped_text(ref.name) if ref else None


# -- people ------------------------------------------------------------------------------------
class _User(msgspec.Struct):
    id: RecordId
    name: RawText = None
    first_name: RawText = None
    last_name: RawText = None
    primary_email_address: RawText = None
    emails: list[RawText] | None = None
    site_admin: bool | None = None
    disabled: bool | None = None


def _convert_user(wire: _User) -> User:
    return User(
        id=wire.id,
        name=build_full_name(wire.name, wire.first_name, wire.last_name),
        primary_email=to_stripped_text(wire.primary_email_address),
        emails=unique_texts(wire.emails or ()),
        site_admin=wire.site_admin is True,
        deactivated=wire.disabled is not False,
    )


class _UserRole(msgspec.Struct):
    id: RecordId
    name: RawText = None
    type: RawText = None


def _convert_role(wire: _UserRole) -> UserRole:
    return UserRole(id=wire.id, name=to_text(wire.name), type=to_text(wire.type))


class _JobGrant(msgspec.Struct):
    id: RecordId
    job_id: RecordId
    user_role_id: RecordId | None = None


def make_grant_reader(user_id: int) -> RecordParser[JobGrant]:
    """Reader for `/users/{user_id}/permissions/jobs`, whose rows do not contain the user id."""
    return make_reader(
        _JobGrant,
        lambda wire: JobGrant(
            id=wire.id, user_id=user_id, job_id=wire.job_id, role_id=wire.user_role_id
        ),
    )


# -- jobs --------------------------------------------------------------------------------------
class _HiringTeam(msgspec.Struct):
    hiring_managers: _Refs = None
    recruiters: _Refs = None
    coordinators: _Refs = None
    sourcers: _Refs = None


def _convert_hiring_team(job_id: int, wire: _HiringTeam | None) -> tuple[TeamMember, ...]:
    people_by_role = (
        (
            ("hiring_manager", wire.hiring_managers),
            ("recruiter", wire.recruiters),
            ("coordinator", wire.coordinators),
            ("sourcer", wire.sourcers),
        )
        if wire
        else ()
    )
    return tuple(
        TeamMember(job_id=job_id, user_id=user_id, role=role)
        for role, people in people_by_role
        for person in people or ()
        if person and (user_id := person.user_id or person.id) is not None
    )


class _Opening(msgspec.Struct):
    id: RecordId
    opening_id: RawText = None
    status: RawText = None
    opened_at: RawTimestamp = None
    closed_at: RawTimestamp = None
    close_reason: _Ref | None = None


def _convert_opening(job_id: int, wire: _Opening) -> Opening:
    return Opening(
        id=wire.id,
        job_id=job_id,
        opening_id=to_stripped_text(wire.opening_id),
        is_open=wire.status == "open",
        opened_at=parse_timestamp(wire.opened_at),
        closed_at=parse_timestamp(wire.closed_at),
        close_reason_id=_get_id(wire.close_reason),
    )


def make_opening_reader(job_id: int) -> RecordParser[Opening]:
    """Reader for `/jobs/{job_id}/openings`, whose rows do not contain the job id."""
    return make_reader(_Opening, lambda wire: _convert_opening(job_id, wire))


class _Job(msgspec.Struct):
    id: RecordId
    name: RawText = None
    status: RawText = None
    requisition_id: RawText = None
    confidential: bool | None = None
    is_template: bool | None = None
    departments: _Refs = None
    offices: _Refs = None
    opened_at: RawTimestamp = None
    closed_at: RawTimestamp = None
    hiring_team: _HiringTeam | None = None
    openings: list[_Opening | None] | None = None


def _convert_job(wire: _Job) -> Job:
    return Job(
        id=wire.id,
        name=to_text(wire.name),
        status=to_text(wire.status),
        requisition_id=to_stripped_text(wire.requisition_id),
        confidential=wire.confidential is not False,
        is_template=wire.is_template is True,
        department_ids=_collect_ids(wire.departments),
        office_ids=_collect_ids(wire.offices),
        opened_at=parse_timestamp(wire.opened_at),
        closed_at=parse_timestamp(wire.closed_at),
        hiring_team=_convert_hiring_team(wire.id, wire.hiring_team),
        openings=tuple(
            _convert_opening(wire.id, opening) for opening in wire.openings or () if opening
        ),
    )


class _Stage(msgspec.Struct):
    id: RecordId
    job_id: RecordId
    name: RawText = None
    priority: int | None = None
    active: bool | None = None


def _convert_stage(wire: _Stage) -> Stage:
    return Stage(
        id=wire.id,
        job_id=wire.job_id,
        name=to_text(wire.name),
        order=to_order(wire.priority),
        active=wire.active is not False,
    )


class _JobPost(msgspec.Struct):
    id: RecordId
    job_id: RecordId | None = None
    title: RawText = None
    live: bool | None = None
    internal: bool | None = None
    active: bool | None = None
    content: RawText = None


def _convert_job_post(wire: _JobPost) -> JobPost:
    return JobPost(
        id=wire.id,
        job_id=wire.job_id,
        title=to_text(wire.title),
        live=wire.live is True,
        internal=wire.internal is True,
        active=wire.active is not False,
        content=to_stripped_text(wire.content),
    )


# -- applications and candidates ---------------------------------------------------------------
class _Application(msgspec.Struct):
    id: RecordId
    candidate_id: RecordId
    jobs: _Refs = None
    status: RawText = None
    prospect: bool | None = None
    current_stage: _Ref | None = None
    applied_at: RawTimestamp = None
    last_activity_at: RawTimestamp = None
    rejection_reason: _Ref | None = None
    source: _Ref | None = None
    recruiter: _Ref | None = None
    coordinator: _Ref | None = None
    answers: AnswerItems = None
    keyed_custom_fields: Any = None  # some accounts lack it


def _convert_application(wire: _Application) -> Application:
    jobs = _collect_ids(wire.jobs)
    prospect = wire.prospect is True
    return Application(
        id=wire.id,
        candidate_id=wire.candidate_id,
        job_id=None if prospect or not jobs else jobs[0],
        prospective_job_ids=jobs if prospect else (),
        status=to_text(wire.status),
        prospect=prospect,
        stage_id=_get_id(wire.current_stage),
        stage_name=_get_name(wire.current_stage),
        applied_at=parse_timestamp(wire.applied_at),
        last_activity_at=parse_timestamp(wire.last_activity_at),
        rejection_reason_id=_get_id(wire.rejection_reason),
        source_id=_get_id(wire.source),
        source_name=to_stripped_text(wire.source.public_name or wire.source.name)
        if wire.source
        else None,
        recruiter_id=_get_id(wire.recruiter),
        coordinator_id=_get_id(wire.coordinator),
        answers=convert_answers(wire.answers),
        custom_fields=extract_custom_values(wire.keyed_custom_fields),
    )


class _Candidate(msgspec.Struct):
    id: RecordId
    first_name: RawText = None
    last_name: RawText = None
    can_email: bool | None = None
    company: RawText = None
    title: RawText = None
    is_private: bool | None = None
    email_addresses: ValueItems = None
    phone_numbers: ValueItems = None
    website_addresses: ValueItems = None
    social_media_addresses: ValueItems = None


def _convert_candidate(wire: _Candidate) -> Candidate:
    return Candidate(
        id=wire.id,
        first_name=to_text(wire.first_name),
        last_name=to_text(wire.last_name),
        can_email=wire.can_email is not False,
        company=to_stripped_text(wire.company),
        title=to_stripped_text(wire.title),
        private=wire.is_private is not False,
        emails=extract_values(wire.email_addresses),
        phones=extract_values(wire.phone_numbers),
        links=(
            *extract_values(wire.website_addresses),
            *extract_values(wire.social_media_addresses),
        ),
    )


class _Attachment(msgspec.Struct):
    filename: RawText = None
    type: RawText = None
    url: RawText = None
    created_at: RawTimestamp = None


class _Attachments(msgspec.Struct):
    attachments: list[_Attachment | None] | None = None


def _convert_attachments(wire: _Attachments) -> tuple[Attachment, ...]:
    return tuple(
        Attachment(
            filename=to_text(attachment.filename),
            type=to_text(attachment.type),
            url=to_text(attachment.url),
            created_at=parse_timestamp(attachment.created_at),
        )
        for attachment in wire.attachments or ()
        if attachment and attachment.url
    )


# -- small lists -------------------------------------------------------------------------------
class _Department(msgspec.Struct):
    id: RecordId
    name: RawText = None


class _Office(msgspec.Struct):
    id: RecordId
    name: RawText = None


class _Reason(msgspec.Struct):
    id: RecordId
    name: RawText = None
    type: _Ref | None = None


class _EmailTemplate(msgspec.Struct):
    id: RecordId
    name: RawText = None
    type: RawText = None
    sender: RawText = msgspec.field(name="from", default=None)
    body: RawText = None
    html_body: RawText = None


read_user = make_reader(_User, _convert_user)
read_user_role = make_reader(_UserRole, _convert_role)
read_job = make_reader(_Job, _convert_job)
read_stage = make_reader(_Stage, _convert_stage)
read_job_post = make_reader(_JobPost, _convert_job_post)
read_application = make_reader(_Application, _convert_application)
read_candidate = make_reader(_Candidate, _convert_candidate)
read_attachments = make_reader(_Attachments, _convert_attachments)
read_department = make_reader(_Department, lambda w: Department(id=w.id, name=to_text(w.name)))
read_office = make_reader(
    _Office,
    lambda w: Office(
        id=w.id,
        name=to_text(w.name),
    ),
)
read_close_reason = make_reader(_Reason, lambda w: CloseReason(id=w.id, name=to_text(w.name)))
read_rejection_reason = make_reader(
    _Reason,
    lambda w: RejectionReason(id=w.id, name=to_text(w.name), type_name=_get_name(w.type) or ""),
)
read_email_template = make_reader(
    _EmailTemplate,
    lambda w: EmailTemplate(
        id=w.id,
        name=to_text(w.name),
        type=to_text(w.type),
        body=to_text(w.html_body) or to_text(w.body),
        sender=to_text(w.sender),
    ),
)
read_source = make_reader(_Department, lambda w: Source(id=w.id, name=to_text(w.name)))
