"""Changes as if somebody worked in Greenhouse itself: no acting user is checked.

Each is called with the account and plain parameters, by the library or by ``POST /__mutate``.
A user may be named by id or by the part of an address before the ``@``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from . import deeds, names, shapes_webhook
from .records import (
    Application,
    ApplicationStage,
    Candidate,
    Job,
    JobPermission,
    Opening,
    Record,
    RejectionReason,
    Stage,
    User,
    UserEmail,
)
from .tables import Table
from .world import World

R = TypeVar("R", bound=Record)

Mutation = Callable[..., Record | None]


class NoSuchRecord(LookupError):
    """What was to be changed is not there."""

    def __str__(self) -> str:
        return f"There is no {self.args[0]}."


def _get(table: Table[R], number: Any) -> R:
    row = table.get(number)
    if row is None:
        raise NoSuchRecord(f"{table.kind} {number}")
    return row


def find_user(world: World, who: int | str) -> User:
    if isinstance(who, int):
        return _get(world.users, who)
    try:
        return world.user(who)
    except KeyError:
        raise NoSuchRecord(f"user {who}") from None


# Applications


def move_application(world: World, application_id: int, stage_id: int | None = None) -> Application:
    """Move an application to a stage, or to the next one."""
    row = _get(world.applications, application_id)
    accepted = {row.stage_id}
    if stage_id is None:
        deeds.advance(world, row, None, row.stage_id, accepted)
    else:
        deeds.move(world, row, None, row.stage_id, accepted, stage_id)
    return row


def transfer_application(world: World, application_id: int, job_id: int) -> Application:
    """Move an application to the first stage of another job."""
    row = _get(world.applications, application_id)
    deeds.transfer(world, row, None, job_id)
    return row


def reject_application(
    world: World, application_id: int, reason_id: int | None = None
) -> Application:
    """Reject an application."""
    row = _get(world.applications, application_id)
    deeds.reject(world, row, None, reason_id=reason_id)
    return row


def unreject_application(world: World, application_id: int) -> Application:
    """Take a rejection back."""
    row = _get(world.applications, application_id)
    deeds.unreject(world, row, None)
    return row


def hire_application(world: World, application_id: int) -> Application:
    """Hire."""
    row = _get(world.applications, application_id)
    deeds.hire(world, row)
    return row


def delete_application(world: World, application_id: int) -> None:
    """Delete an application; its candidate stays."""
    row = _get(world.applications, application_id)
    payload = shapes_webhook.deleted_application(world, row)
    _drop_application(world, row)
    world.publish("delete_application", lambda: {"application": payload})


def new_application(
    world: World, job_id: int, first_name: str = "Nova", last_name: str = "Newman"
) -> Application:
    """Let somebody new apply."""
    job = _get(world.jobs, job_id)
    stage = world.stages_of(job.id, active_only=True)[0]
    now = world.now()
    candidate = world.add(
        Candidate, now, first_name=first_name, last_name=last_name, last_activity_at=now
    )
    row = world.add(
        Application,
        now,
        candidate_id=candidate.id,
        job_id=job.id,
        last_activity_at=now,
        source_id=world.sources.ids[0],
    )
    entry = world.add(
        ApplicationStage,
        now,
        application_id=row.id,
        stage_id=stage.id,
        entered_at=now,
        current=True,
    )
    world.change(row, stage_id=stage.id, entry_id=entry.id, updated_at=now, needs_decision=True)
    world.publish(
        "new_candidate_application",
        lambda: {"application": shapes_webhook.application(world, row)},
    )
    return row


def _drop_application(world: World, row: Application) -> None:
    for table in (world.history, world.rejections, world.attachments):
        for hanging in list(table.where("application_id", row.id)):
            world.remove(hanging)
    for opening in world.openings.where("application_id", row.id):
        world.change(opening, application_id=None)
    world.remove(row)


# Jobs


def close_job(world: World, job_id: int) -> Job:
    """Close a job and its openings."""
    job = _get(world.jobs, job_id)
    now = world.now()
    world.change(job, status="closed", closed_at=now)
    for opening in world.openings.where("job_id", job.id):
        if opening.open:
            world.change(opening, open=False, closed_at=now)
    return _job_updated(world, job)


def reopen_job(world: World, job_id: int) -> Job:
    """Open a job again, with a new opening."""
    job = _get(world.jobs, job_id)
    now = world.now()
    world.change(job, status="open", opened_at=now, closed_at=None)
    order = len(world.openings.ids_of("job_id", job.id))
    world.add(Opening, now, job_id=job.id, opened_at=now, sort_order=order)
    return _job_updated(world, job)


def rename_job(world: World, job_id: int, name: str) -> Job:
    """Give a job another name."""
    job = _get(world.jobs, job_id)
    world.change(job, name=name)
    return _job_updated(world, job)


def set_confidential(world: World, job_id: int, confidential: bool = True) -> Job:
    """Make a job confidential, or public."""
    job = _get(world.jobs, job_id)
    world.change(job, confidential=confidential)
    return _job_updated(world, job)


def create_job(world: World, name: str, confidential: bool = False) -> Job:
    """Open a new job with the usual stages."""
    now = world.now()
    job = world.add(Job, now, name=name, confidential=confidential, opened_at=now)
    for priority, label in enumerate(names.STAGES):
        world.add(Stage, now, job_id=job.id, name=label, priority=priority)
    world.add(Opening, now, job_id=job.id, opened_at=now)
    world.publish("job_created", lambda: {"job": shapes_webhook.job(world, job)})
    return job


def delete_job(world: World, job_id: int) -> None:
    """Delete a job with its applications; that those go too is inferred. One web hook only."""
    job = _get(world.jobs, job_id)
    for application in world.applications.where("job_id", job.id):
        _drop_application(world, application)
    for application in world.applications.where("prospective_job_ids", job.id):
        left = [number for number in application.prospective_job_ids if number != job.id]
        world.change(application, prospective_job_ids=left)
    hanging = (world.stages, world.posts, world.openings, world.team, world.grants)
    for table in hanging:
        for row in list(table.where("job_id", job.id)):
            world.remove(row)
    world.remove(job)
    world.publish("job_deleted", lambda: {"job": {"id": job.id, "name": job.name}})


def delete_stage(world: World, stage_id: int) -> Stage:
    """Delete a stage: it stays, inactive."""
    stage = _get(world.stages, stage_id)
    world.change(stage, active=False)
    world.publish(
        "job_interview_stage_deleted",
        lambda: {"job_interview_stage": shapes_webhook.stage(stage)},
    )
    return stage


def delete_rejection_reason(world: World, reason_id: int) -> RejectionReason:
    """Delete a rejection reason."""
    reason = _get(world.rejection_reasons, reason_id)
    world.remove(reason)
    return reason


def _job_updated(world: World, job: Job) -> Job:
    world.publish("job_updated", lambda: {"job": shapes_webhook.job(world, job)})
    return job


# Candidates


def rename_candidate(
    world: World, candidate_id: int, first_name: str | None, last_name: str | None
) -> Candidate:
    """Give a candidate another name."""
    row = _get(world.candidates, candidate_id)
    world.change(row, first_name=first_name, last_name=last_name)
    deeds.candidate_updated(world, row)
    return row


def delete_candidate(world: World, candidate_id: int) -> None:
    """Delete a candidate and all applications."""
    row = _get(world.candidates, candidate_id)
    own = world.applications.where("candidate_id", row.id)
    person = shapes_webhook.person_gone(row) | {"deleted_application_ids": [a.id for a in own]}
    for application in own:
        _drop_application(world, application)
    world.remove(row)
    world.publish("delete_candidate", lambda: {"person": person})


def merge_candidate(world: World, candidate_id: int, into_id: int) -> Candidate:
    """Merge a candidate into another: the applications move, the old id is gone."""
    gone, kept = _get(world.candidates, candidate_id), _get(world.candidates, into_id)
    for application in world.applications.where("candidate_id", gone.id):
        world.change(application, candidate_id=kept.id)
    for attachment in world.attachments.where("candidate_id", gone.id):
        world.change(attachment, candidate_id=kept.id)
    world.change(kept, emails=[*kept.emails, *gone.emails])
    world.remove(gone)
    person = shapes_webhook.person_gone(gone) | {"new_candidate_id": kept.id}
    world.publish("merge_candidate", lambda: {"person": person})
    return kept


def anonymize_candidate(world: World, candidate_id: int) -> Candidate:
    """Take away what tells who a candidate is; which fields exactly is inferred."""
    row = _get(world.candidates, candidate_id)
    world.change(
        row,
        first_name=None,
        last_name=None,
        preferred_name=None,
        company=None,
        title=None,
        emails=[],
        phones=[],
        addresses=[],
        websites=[],
        social=[],
        tags=[],
        custom={},
    )
    for attachment in world.attachments.where("candidate_id", row.id):
        world.remove(attachment)
    for application in world.applications.where("candidate_id", row.id):
        world.change(application, answers=[], location=None, custom={})
    fields = ["full_name", "current_company", "current_title", "email_addresses"]
    world.publish(
        "candidate_anonymized",
        lambda: {"candidate_id": row.id, "anonymized_fields": fields},
    )
    return row


# People. None of these sends a web hook (documented: there is none).


def add_grant(
    world: World, user: int | str, job_id: int, role: str = "Standard", automated: bool = False
) -> JobPermission:
    """Give somebody a job, in a role."""
    who, job = find_user(world, user), _get(world.jobs, job_id)
    found = next((row for row in world.user_roles if row.name == role), None)
    if found is None:
        raise ValueError(
            f"Unknown role: {role}. Known: {', '.join(row.name for row in world.user_roles)}."
        )
    for row in world.grants.where("user_id", who.id):
        if row.job_id == job.id:
            world.change(row, role_id=found.id)
            return row
    return world.add(
        JobPermission, user_id=who.id, job_id=job.id, role_id=found.id, automated=automated
    )


def remove_grant(world: World, user: int | str, job_id: int) -> None:
    """Take a job from somebody."""
    who = find_user(world, user)
    for row in world.grants.where("user_id", who.id):
        if row.job_id == job_id:
            world.remove(row)


def deactivate_user(world: World, user: int | str) -> User:
    """Deactivate somebody: ``site_admin`` and the grants stay."""
    who = find_user(world, user)
    world.change(who, deactivated=True)
    return who


def reactivate_user(world: World, user: int | str) -> User:
    """Let somebody back in."""
    who = find_user(world, user)
    world.change(who, deactivated=False)
    return who


def set_site_admin(world: World, user: int | str, site_admin: bool = True) -> User:
    """Make somebody a Site Admin, or not."""
    who = find_user(world, user)
    world.change(who, site_admin=site_admin)
    return who


def change_email(world: World, user: int | str, email: str) -> User:
    """Give somebody another primary address."""
    who = find_user(world, user)
    primary = next((row for row in world.emails_of(who.id) if row.primary), None)
    if primary:
        world.change(primary, email=email)
    else:
        world.add(UserEmail, user_id=who.id, email=email)
    world.change(who)
    return who


MUTATIONS: dict[str, Mutation] = {
    mutation.__name__: mutation
    for mutation in (
        move_application,
        transfer_application,
        reject_application,
        unreject_application,
        hire_application,
        delete_application,
        new_application,
        close_job,
        reopen_job,
        rename_job,
        set_confidential,
        create_job,
        delete_job,
        delete_stage,
        delete_rejection_reason,
        rename_candidate,
        delete_candidate,
        merge_candidate,
        anonymize_candidate,
        add_grant,
        remove_grant,
        deactivate_user,
        reactivate_user,
        set_site_admin,
        change_email,
    )
}
"""Every change by its name."""
