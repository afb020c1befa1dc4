"""Harvest v1 payloads, as Greenhouse's documentation and recordings show them, in our words.

Source: Harvest v1 documentation, "The … Object" of every resource. Only `id` and the ids a record
cannot do without are demanded. Flags that decide who sees what (`confidential`, `disabled`,
`is_private`) are read as the narrower value where they are missing or null: inferred, deny by
default.
"""

from __future__ import annotations

from typing import Any

import msgspec

from integrations.ats.types import (
    Application,
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
    TeamMember,
    User,
    UserRole,
)
from integrations.greenhouse.payloads_both import Answers, Values, answers, custom_values, values
from integrations.greenhouse.reading import (
    Moment,
    Reader,
    Text,
    distinct,
    full_name,
    moment,
    reader,
    text,
    words,
)


class _Ref(msgspec.Struct):
    """`{id, name, …}`: another record, mentioned. Some mentions come without an id."""

    id: int | None = None
    name: Text = None
    user_id: int | None = None  # hiring team rows of GET /jobs/{id}/hiring_team
    public_name: Text = None  # sources inside applications
    type: Any = None


_Refs = list[_Ref | None] | None  # `departments: [null]` is seen in real accounts


def _ids(refs: _Refs) -> tuple[int, ...]:
    return tuple(ref.id for ref in refs or () if ref is not None and ref.id is not None)


def _id(ref: _Ref | None) -> int | None:
    return ref.id if ref else None


def _name(ref: _Ref | None) -> str | None:
    return words(ref.name) if ref else None


# -- people ------------------------------------------------------------------------------------
class _User(msgspec.Struct):
    id: int
    name: Text = None
    first_name: Text = None
    last_name: Text = None
    primary_email_address: Text = None
    emails: list[Text] | None = None
    site_admin: bool | None = None
    disabled: bool | None = None
    updated_at: Moment = None


def _user(wire: _User) -> User:
    return User(
        id=wire.id,
        name=full_name(wire.name, wire.first_name, wire.last_name),
        primary_email=words(wire.primary_email_address),
        emails=distinct(wire.emails or ()),
        site_admin=wire.site_admin is True,
        deactivated=wire.disabled is not False,
        updated_at=moment(wire.updated_at),
    )


class _Role(msgspec.Struct):
    id: int
    name: Text = None
    type: Text = None


def _role(wire: _Role) -> UserRole:
    return UserRole(id=wire.id, name=text(wire.name), type=text(wire.type))


class _Grant(msgspec.Struct):
    id: int
    job_id: int
    user_role_id: int | None = None


class _FutureGrant(msgspec.Struct):
    id: int
    user_role_id: int | None = None
    department_id: int | None = None
    office_id: int | None = None


def grant_of(user_id: int) -> Reader[JobGrant]:
    """A reader of `/users/{user_id}/permissions/jobs`, whose rows do not repeat the user."""
    return reader(
        _Grant,
        lambda wire: JobGrant(
            id=wire.id, user_id=user_id, job_id=wire.job_id, role_id=wire.user_role_id
        ),
    )


def future_grant_of(user_id: int) -> Reader[FutureJobGrant]:
    """A reader of `/users/{user_id}/permissions/future_jobs`."""
    return reader(
        _FutureGrant,
        lambda wire: FutureJobGrant(
            id=wire.id,
            user_id=user_id,
            role_id=wire.user_role_id,
            department_id=wire.department_id,
            office_id=wire.office_id,
        ),
    )


# -- jobs --------------------------------------------------------------------------------------
class _Team(msgspec.Struct):
    hiring_managers: _Refs = None
    recruiters: _Refs = None
    coordinators: _Refs = None
    sourcers: _Refs = None


def _team(job_id: int, wire: _Team | None) -> tuple[TeamMember, ...]:
    places = (
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
        for role, people in places
        for person in people or ()
        if person and (user_id := person.user_id or person.id) is not None
    )


class _Opening(msgspec.Struct):
    id: int
    opening_id: Text = None
    status: Text = None
    opened_at: Moment = None
    closed_at: Moment = None
    close_reason: _Ref | None = None


def _opening(job_id: int, wire: _Opening) -> Opening:
    return Opening(
        id=wire.id,
        job_id=job_id,
        opening_id=words(wire.opening_id),
        is_open=wire.status == "open",
        opened_at=moment(wire.opened_at),
        closed_at=moment(wire.closed_at),
        close_reason_id=_id(wire.close_reason),
    )


def opening_of(job_id: int) -> Reader[Opening]:
    """A reader of `/jobs/{job_id}/openings`, whose rows do not repeat the job."""
    return reader(_Opening, lambda wire: _opening(job_id, wire))


class _Job(msgspec.Struct):
    id: int
    name: Text = None
    status: Text = None
    requisition_id: Text = None
    confidential: bool | None = None
    is_template: bool | None = None
    departments: _Refs = None
    offices: _Refs = None
    opened_at: Moment = None
    closed_at: Moment = None
    created_at: Moment = None
    updated_at: Moment = None
    hiring_team: _Team | None = None
    openings: list[_Opening | None] | None = None


def _job(wire: _Job) -> Job:
    return Job(
        id=wire.id,
        name=text(wire.name),
        status=text(wire.status),
        requisition_id=words(wire.requisition_id),
        confidential=wire.confidential is not False,
        is_template=wire.is_template is True,
        department_ids=_ids(wire.departments),
        office_ids=_ids(wire.offices),
        opened_at=moment(wire.opened_at),
        closed_at=moment(wire.closed_at),
        created_at=moment(wire.created_at),
        updated_at=moment(wire.updated_at),
        hiring_team=_team(wire.id, wire.hiring_team),
        openings=tuple(_opening(wire.id, one) for one in wire.openings or () if one),
    )


class _Stage(msgspec.Struct):
    id: int
    job_id: int
    name: Text = None
    priority: int | None = None
    active: bool | None = None
    updated_at: Moment = None


def _stage(wire: _Stage) -> Stage:
    return Stage(
        id=wire.id,
        job_id=wire.job_id,
        name=text(wire.name),
        order=wire.priority or 0,
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
        content=words(wire.content),
        updated_at=moment(wire.updated_at),
    )


# -- applications and candidates ---------------------------------------------------------------
class _Application(msgspec.Struct):
    id: int
    candidate_id: int
    jobs: _Refs = None
    status: Text = None
    prospect: bool | None = None
    current_stage: _Ref | None = None
    applied_at: Moment = None
    rejected_at: Moment = None
    last_activity_at: Moment = None
    rejection_reason: _Ref | None = None
    source: _Ref | None = None
    recruiter: _Ref | None = None
    coordinator: _Ref | None = None
    job_post_id: int | None = None
    answers: Answers = None
    keyed_custom_fields: Any = None


def _application(wire: _Application) -> Application:
    jobs = _ids(wire.jobs)
    prospect = wire.prospect is True
    return Application(
        id=wire.id,
        candidate_id=wire.candidate_id,
        job_id=None if prospect or not jobs else jobs[0],
        prospective_job_ids=jobs if prospect else (),
        status=text(wire.status),
        prospect=prospect,
        stage_id=_id(wire.current_stage),
        stage_name=_name(wire.current_stage),
        applied_at=moment(wire.applied_at),
        rejected_at=moment(wire.rejected_at),
        last_activity_at=moment(wire.last_activity_at),
        rejection_reason_id=_id(wire.rejection_reason),
        source_id=_id(wire.source),
        source_name=words(wire.source.public_name or wire.source.name) if wire.source else None,
        recruiter_id=_id(wire.recruiter),
        coordinator_id=_id(wire.coordinator),
        job_post_id=wire.job_post_id,
        answers=answers(wire.answers),
        custom_fields=custom_values(wire.keyed_custom_fields),
    )


class _Candidate(msgspec.Struct):
    id: int
    first_name: Text = None
    last_name: Text = None
    company: Text = None
    title: Text = None
    is_private: bool | None = None
    email_addresses: Values = None
    phone_numbers: Values = None
    updated_at: Moment = None
    last_activity: Moment = None


def _candidate(wire: _Candidate) -> Candidate:
    return Candidate(
        id=wire.id,
        first_name=text(wire.first_name),
        last_name=text(wire.last_name),
        company=words(wire.company),
        title=words(wire.title),
        private=wire.is_private is not False,
        emails=values(wire.email_addresses),
        phones=values(wire.phone_numbers),
        updated_at=moment(wire.updated_at),
        last_activity_at=moment(wire.last_activity),
    )


class _Attachment(msgspec.Struct):
    filename: Text = None
    type: Text = None
    url: Text = None
    created_at: Moment = None


class _Attachments(msgspec.Struct):
    attachments: list[_Attachment | None] | None = None


def _attachments(wire: _Attachments) -> tuple[Attachment, ...]:
    return tuple(
        Attachment(
            filename=text(one.filename),
            type=text(one.type),
            url=text(one.url),
            created_at=moment(one.created_at),
        )
        for one in wire.attachments or ()
        if one and one.url
    )


# -- small lists -------------------------------------------------------------------------------
class _Department(msgspec.Struct):
    id: int
    name: Text = None
    parent_id: int | None = None


class _Location(msgspec.Struct):
    name: Text = None


class _Office(msgspec.Struct):
    id: int
    name: Text = None
    parent_id: int | None = None
    location: _Location | None = None


class _Reason(msgspec.Struct):
    id: int
    name: Text = None
    type: _Ref | None = None


class _Template(msgspec.Struct):
    id: int
    name: Text = None
    type: Text = None


read_user = reader(_User, _user)
read_user_role = reader(_Role, _role)
read_job = reader(_Job, _job)
read_stage = reader(_Stage, _stage)
read_job_post = reader(_Post, _post)
read_application = reader(_Application, _application)
read_candidate = reader(_Candidate, _candidate)
read_attachments = reader(_Attachments, _attachments)
read_department = reader(
    _Department, lambda w: Department(id=w.id, name=text(w.name), parent_id=w.parent_id)
)
read_office = reader(
    _Office,
    lambda w: Office(
        id=w.id,
        name=text(w.name),
        location=words(w.location.name) if w.location else None,
        parent_id=w.parent_id,
    ),
)
read_close_reason = reader(_Reason, lambda w: CloseReason(id=w.id, name=text(w.name)))
read_rejection_reason = reader(
    _Reason,
    lambda w: RejectionReason(id=w.id, name=text(w.name), type_name=_name(w.type) or ""),
)
read_email_template = reader(
    _Template, lambda w: EmailTemplate(id=w.id, name=text(w.name), type=text(w.type))
)
read_source = reader(_Department, lambda w: Source(id=w.id, name=text(w.name)))
