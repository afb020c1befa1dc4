"""What can be done with an application, whoever asks in whichever dialect.

Each deed checks in one order: may this person, is the state right, are the values right; then it
changes the world. A deed that cannot be done raises :class:`Refusal`, which a dialect puts into
its own status and words. Where Greenhouse's own words are public they are used; the rest are
marked ``inferred``.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Literal

from . import custom, shapes_webhook
from .clock import normal
from .records import (
    Application,
    ApplicationStage,
    Candidate,
    Job,
    Referrer,
    RejectionDetail,
    ScheduledEmail,
    Stage,
    User,
)
from .rights import can_open_application, can_open_job, may
from .world import World

Reason = Literal["hidden", "forbidden", "invalid", "state"]


class Refusal(Exception):
    """A deed that is not done.

    reason: ``hidden`` (the person cannot see the record), ``forbidden`` (sees it, may not),
        ``invalid`` (a value is wrong; ``field`` names it), ``state`` (not now).
    """

    def __init__(self, reason: Reason, message: str, field: str | None = None) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message
        self.field = field


def invalid(field: str, message: str) -> Refusal:
    """Make a refusal of one value."""
    return Refusal("invalid", message, field)


def check_right(world: World, actor: User | None, row: Application, deed: str) -> None:
    """Refuse when this person may not do this here. Actor None is somebody inside Greenhouse."""
    if actor is None:
        return
    if actor.deactivated or not can_open_application(world, actor, row):
        raise Refusal("hidden", "Not found")
    numbers = [row.job_id] if row.job_id else row.prospective_job_ids
    jobs: list[Job | None] = [job for job in map(world.jobs.get, numbers) if job]
    if not any(may(world, actor, job, deed) for job in jobs or [None]):
        raise Refusal("forbidden", "Access Denied")


def require_status(row: Application, wanted: str) -> None:
    """Refuse unless the application is in this state (the words are documented for unreject)."""
    if row.status != wanted:
        raise Refusal("state", f"Application must be '{wanted}', is currently '{row.status}'")


def _current_stage(
    world: World, row: Application, given: Any, accepted: Collection[int | None]
) -> Stage:
    """Give the current stage, if ``given`` names it: the guard against a stale screen."""
    require_status(row, "active")
    if given is None:
        raise invalid("from_stage_id", "Missing required field: from_stage_id")
    stage = world.stages.get(row.stage_id)
    if row.prospect or stage is None:
        raise Refusal("state", "Prospect applications can't be moved in this way")
    if not isinstance(given, int) or given not in accepted:
        # Words inferred.
        raise invalid("from_stage_id", "The application is not in this stage")
    return stage


def advance(
    world: World,
    row: Application,
    actor: User | None,
    from_stage: Any,
    accepted: Collection[int | None],
) -> None:
    """Move an application to the next active stage of its job."""
    check_right(world, actor, row, "advance")
    current = _current_stage(world, row, from_stage, accepted)
    place = (current.priority, current.id)
    following = [
        stage
        for stage in world.stages_of(row.job_id, active_only=True)
        if (stage.priority, stage.id) > place
    ]
    if not following:
        # Words inferred.
        raise Refusal("state", "Application is already in the last stage")
    enter_stage(world, row, following[0])
    _publish_stage_change(world, row)


def move(
    world: World,
    row: Application,
    actor: User | None,
    from_stage: Any,
    accepted: Collection[int | None],
    to_stage: Any,
) -> None:
    """Move an application to a stage of the same job."""
    check_right(world, actor, row, "advance")
    _current_stage(world, row, from_stage, accepted)
    if to_stage is None:
        raise invalid("to_stage_id", "Missing required field: to_stage_id")
    stage = _stage_of(world, row.job_id, to_stage, "to_stage_id")
    enter_stage(world, row, stage)
    _publish_stage_change(world, row)


def transfer(
    world: World,
    row: Application,
    actor: User | None,
    job_id: Any,
    stage_id: Any = None,
    *,
    field: str = "new_job_id",
) -> None:
    """Move an application to another job: to its first stage unless one is named.

    The acting user needs rights on both jobs (Greenhouse's help centre, article 206920323).
    """
    check_right(world, actor, row, "advance")
    require_status(row, "active")
    if row.prospect:
        raise Refusal("state", "Prospect applications can't be moved in this way")
    if job_id is None:
        raise invalid(field, f"Missing required field: {field}")
    job = world.jobs.get(job_id) if isinstance(job_id, int) else None
    if job is None or job.is_template:
        raise invalid(field, "A job with this id does not exist.")
    if actor and not (can_open_job(world, actor, job) and may(world, actor, job, "advance")):
        raise Refusal("forbidden", "Access Denied")
    stages = world.stages_of(job.id, active_only=True)
    stage = stages[0] if stage_id is None else _stage_of(world, job.id, stage_id, "new_stage_id")
    world.change(row, job_id=job.id, job_post_id=None)
    enter_stage(world, row, stage)
    _publish_stage_change(world, row)


def transfer_from(
    world: World,
    row: Application,
    actor: User | None,
    from_stage: Any,
    accepted: Collection[int | None],
    job_id: Any,
) -> None:
    """Move an application to the first stage of another job, guarded by its stage (v3)."""
    check_right(world, actor, row, "advance")
    _current_stage(world, row, from_stage, accepted)
    transfer(world, row, actor, job_id, field="to_job_id")


def reject(
    world: World,
    row: Application,
    actor: User | None,
    *,
    reason_id: Any = None,
    notes: str | None = None,
    email: Any = None,
) -> None:
    """Reject an application; a mail, if asked for, is only noted down."""
    check_right(world, actor, row, "reject")
    require_status(row, "active")
    if reason_id is not None and not _known(world.rejection_reasons.rows, reason_id):
        raise invalid("rejection_reason_id", "A rejection reason with this id does not exist.")
    mail = _checked_mail(world, email)
    by = actor.id if actor else None
    now = world.now()
    world.touch(row, status="rejected", rejection_reason_id=reason_id, needs_decision=False)
    world.change(row, rejected_at=row.updated_at, updated_at=row.updated_at)
    world.add(
        RejectionDetail,
        now,
        application_id=row.id,
        rejection_reason_id=reason_id,
        rejected_by_id=by,
        rejected_at=row.rejected_at,
        notes=notes,
    )
    if mail:
        world.add(ScheduledEmail, now, application_id=row.id, on_behalf_of=by, **mail)
    _publish(world, "reject_candidate", row)


def unreject(world: World, row: Application, actor: User | None) -> None:
    """Take a rejection back; reason and notes are cleared (documented for v3)."""
    check_right(world, actor, row, "reject")
    require_status(row, "rejected")
    for detail in world.rejections.where("application_id", row.id):
        world.remove(detail)
    world.touch(row, status="active", rejected_at=None, rejection_reason_id=None)
    _publish(world, "unreject_candidate", row)


def change_reason(world: World, row: Application, actor: User | None, reason_id: Any) -> str:
    """Change why an application was rejected; gives the reason's name."""
    check_right(world, actor, row, "reject")
    require_status(row, "rejected")
    reason = world.rejection_reasons.get(reason_id) if isinstance(reason_id, int) else None
    if reason is None:
        raise invalid("rejection_reason_id", "A rejection reason with this id does not exist.")
    for detail in world.rejections.where("application_id", row.id):
        world.change(detail, rejection_reason_id=reason.id)
    world.touch(row, rejection_reason_id=reason.id)
    _publish(world, "application_updated", row)
    return reason.name


def update(world: World, row: Application, actor: User | None, body: dict[str, Any]) -> None:
    """Change fields of an application."""
    check_right(world, actor, row, "advance")
    values: dict[str, Any] = {}
    tables: dict[str, Collection[int]] = {
        "source_id": world.sources.rows,
        "referrer_id": world.referrers.rows,
        "recruiter_id": world.users.rows,
        "coordinator_id": world.users.rows,
    }
    for name, known in tables.items():
        if name in body:
            if body[name] is not None and not _known(known, body[name]):
                raise invalid(name, "A record with this id does not exist.")
            values[name] = body[name]
    if isinstance(body.get("referrer"), dict):
        values["referrer_id"] = _referrer(world, body["referrer"])
    if isinstance(body.get("custom_fields"), list):
        values["custom"] = custom.changed(world, row, body["custom_fields"], refuse=invalid)
    world.touch(row, **values)
    _publish(world, "application_updated", row)


def hire(world: World, row: Application) -> None:
    """Hire somebody, as done inside Greenhouse: the application leaves its stages."""
    require_status(row, "active")
    _leave_stage(world, row)
    world.touch(row, status="hired", stage_id=None, entry_id=None, needs_decision=False)
    world.publish(
        "hire_candidate",
        lambda: {"application": shapes_webhook.hired_application(world, row, world.now())},
    )


def enter_stage(world: World, row: Application, stage: Stage) -> None:
    """Close the current row of the history and open one for this stage."""
    _leave_stage(world, row)
    now = world.now()
    entry = world.add(
        ApplicationStage,
        now,
        application_id=row.id,
        stage_id=stage.id,
        entered_at=now,
        current=True,
    )
    world.touch(row, stage_id=stage.id, entry_id=entry.id, needs_decision=stage.priority == 0)


def _leave_stage(world: World, row: Application) -> None:
    for entry in world.history.where("application_id", row.id):
        if entry.current:
            world.change(entry, current=False, exited_at=world.now())


def _stage_of(world: World, job_id: int | None, stage_id: Any, field: str) -> Stage:
    stage = world.stages.get(stage_id) if isinstance(stage_id, int) else None
    if stage is None or stage.job_id != job_id or not stage.active:
        # Words inferred, after those seen for an unknown job.
        raise invalid(field, "A stage with this id does not exist for this job.")
    return stage


def _known(rows: Collection[int], number: Any) -> bool:
    return isinstance(number, int) and number in rows


def _checked_mail(world: World, email: Any) -> dict[str, Any] | None:
    if not isinstance(email, dict):
        return None
    number = email.get("email_template_id")
    template = world.email_templates.get(number) if isinstance(number, int) else None
    if template is None or template.user_id is not None:
        # Documented: required in it, and organization-wide. Words inferred.
        raise invalid("email_template_id", "Must be an organization-wide e-mail template.")
    at = email.get("send_email_at")
    if at is not None and normal(str(at)) is None:
        raise invalid("send_email_at", "Must be a valid ISO-8601 timestamp.")
    return {"email_template_id": number, "send_email_at": normal(str(at)) if at else None}


def _referrer(world: World, given: dict[str, Any]) -> int:
    """Find or make the referrer of ``{type: id | email | outside, value}`` (documented)."""
    kind, value = given.get("type"), given.get("value")
    user: User | None = None
    if kind == "id" and isinstance(value, int):
        user = world.users.get(value)
    elif kind == "email":
        user = world.user_by_email(str(value))
    elif kind != "outside":
        raise invalid("referrer", "Must be one of: id, email, outside")
    if kind != "outside" and user is None:
        raise invalid("referrer", "A user with this value does not exist.")
    for row in world.referrers:
        if user and row.user_id == user.id:
            return row.id
    name = user.name if user else str(value)
    return world.add(Referrer, user_id=user.id if user else None, name=name).id


def _publish(world: World, action: str, row: Application) -> None:
    world.publish(action, lambda: {"application": shapes_webhook.application(world, row)})


def _publish_stage_change(world: World, row: Application) -> None:
    _publish(world, "candidate_stage_change", row)


def candidate_updated(world: World, row: Candidate) -> None:
    """Make it known that a candidate changed."""
    world.publish("update_candidate", lambda: {"candidate": shapes_webhook.candidate(world, row)})
