"""Generates an account, deterministic by seed and size, with the oddities of real data."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from random import Random

from integrations.greenhouse.sandbox.clock import format_timestamp
from integrations.greenhouse.sandbox.dataset.dataset import Dataset
from integrations.greenhouse.sandbox.dataset.generation import sample_values
from integrations.greenhouse.sandbox.dataset.generation.applications import generate_applications
from integrations.greenhouse.sandbox.dataset.generation.custom_fields import generate_custom_fields
from integrations.greenhouse.sandbox.dataset.generation.personas import Persona
from integrations.greenhouse.sandbox.dataset.records import (
    CloseReason,
    CustomFields,
    Department,
    EmailTemplate,
    FutureJobPermission,
    Job,
    JobPermission,
    JobPost,
    Office,
    Opening,
    Referrer,
    RejectionReason,
    Source,
    Stage,
    TeamMember,
    User,
    UserEmail,
    UserRole,
)

# No generated record is newer. Fixed, so that a seed always gives the same data.
LATEST_TIME = datetime(2026, 11, 20, 17, 0, tzinfo=UTC)


@dataclass(frozen=True)
class DatasetSize:
    jobs: int
    users: int | None = None
    applications: int | None = None


@dataclass
class GenerationContext:
    dataset: Dataset
    random: Random
    roles: dict[str, UserRole] = field(default_factory=dict)
    users_by_persona: dict[str, User] = field(default_factory=dict)

    def pick_time_before(self, days: float) -> str:
        """Return a time up to a day before ``LATEST_TIME`` minus ``days``."""
        return format_timestamp(
            LATEST_TIME - timedelta(days=days, seconds=self.random.randrange(86_400))
        )


def generate_account(
    dataset: Dataset, personas: tuple[Persona, ...], size: DatasetSize, seed: int
) -> None:
    family = dataset.account.partition("-")[0]  # numbered accounts get the same records
    context = GenerationContext(dataset, Random(f"{family} {seed}"))
    _add_departments_and_offices(context)
    _add_lookup_records(context)
    _add_users(context, personas, size)
    generate_custom_fields(dataset, format_timestamp(LATEST_TIME - timedelta(days=800)))
    _add_jobs(context, size.jobs)
    _add_grants(context, personas)
    total = size.applications if size.applications is not None else size.jobs * 10
    generate_applications(dataset, context.random, total, LATEST_TIME)


def _add_departments_and_offices(context: GenerationContext) -> None:
    add, random = context.dataset.add_record, context.random
    for number, name in enumerate(sample_values.DEPARTMENTS):
        parent = context.dataset.departments.ids[0] if number in (4, 6) else None
        external = f"dep-{number}" if random.random() < 0.5 else None
        add(
            Department,
            context.pick_time_before(900),
            name=name,
            parent_id=parent,
            external_id=external,
        )
    for number, (name, location) in enumerate(sample_values.OFFICES):
        external = f"off-{number}" if number % 2 else None
        add(
            Office,
            context.pick_time_before(900),
            name=name,
            location=location,
            external_id=external,
        )


def _add_lookup_records(context: GenerationContext) -> None:
    add = context.dataset.add_record
    for label, kind, advance, reject in (
        ("Interviewer", "interviewer", False, False),
        ("Standard", "job_admin", True, True),
        ("Private", "job_admin", True, True),
        ("Advance only", "job_admin", True, False),
    ):
        context.roles[label] = add(
            UserRole,
            context.pick_time_before(900),
            name=label,
            role_type=kind,
            can_advance=advance,
            can_reject=reject,
        )
    for name in sample_values.CLOSE_REASONS:
        add(CloseReason, context.pick_time_before(800), name=name)
    for name, type_id in sample_values.REJECTION_REASONS:
        add(RejectionReason, context.pick_time_before(800), name=name, type_id=type_id)
    for name, type_id in sample_values.DEFAULT_REJECTION_REASONS:
        add(
            RejectionReason, context.pick_time_before(900), name=name, type_id=type_id, default=True
        )
    for name, type_id, type_name in sample_values.SOURCES:
        add(Source, context.pick_time_before(900), name=name, type_id=type_id, type_name=type_name)


def _add_users(
    context: GenerationContext, personas: tuple[Persona, ...], size: DatasetSize
) -> None:
    dataset = context.dataset
    for persona in personas:
        _add_persona(context, persona)
    user_count = size.users if size.users is not None else 24 + size.jobs // 20
    for number in range(max(0, user_count - len(personas))):
        if number == 5:
            dataset.use_64_bit_ids("users")
        _add_random_user(context, number)
    _add_service_account(context)
    add = dataset.add_record
    first = dataset.users[dataset.users.ids[0]]
    add(Referrer, context.pick_time_before(400), user_id=first.id, name=first.name)
    add(Referrer, context.pick_time_before(300), user_id=None, name="An old friend")
    _add_email_templates(context, first)


def _add_email_templates(context: GenerationContext, owner: User) -> None:
    add = context.dataset.add_record
    body = "<p>Dear {{CANDIDATE_FIRST_NAME}},</p><p>thank you for your time.</p>"
    add(
        EmailTemplate,
        context.pick_time_before(500),
        name="Thank you, not this time",
        email_type="candidate_rejection",
        default=True,
        subject="Your application",
        html_body=body,
    )
    add(
        EmailTemplate,
        context.pick_time_before(400),
        name="After an interview",
        email_type="candidate_rejection",
        subject="About our talk",
        html_body=body,
    )
    add(
        EmailTemplate,
        context.pick_time_before(300),
        name="My own words",
        email_type="candidate_email",
        user_id=owner.id,
        html_body=body,
    )


def _add_persona(context: GenerationContext, persona: Persona) -> None:
    at = context.pick_time_before(700)
    user = context.dataset.add_record(
        User,
        at,
        first_name=persona.first_name,
        last_name=persona.last_name,
        site_admin=persona.access == "site_admin",
        deactivated=persona.deactivated,
        employee_id=f"E-{persona.last_name[:3].upper()}",
    )
    context.users_by_persona[persona.email_names[0]] = user
    for number, local in enumerate(persona.email_names):
        _add_email(context, user, f"{local}@{context.dataset.domain}", at, primary=number == 0)


def _add_email(
    context: GenerationContext,
    user: User,
    email: str,
    at: str,
    *,
    primary: bool,
    verified: bool = True,
) -> None:
    context.dataset.add_record(
        UserEmail, at, user_id=user.id, email=email, primary=primary, verified=verified
    )


def _add_random_user(context: GenerationContext, number: int) -> None:
    random, dataset = context.random, context.dataset
    first, last = random.choice(sample_values.FIRST_NAMES), random.choice(sample_values.LAST_NAMES)
    at = context.pick_time_before(600 - number % 500)
    user = dataset.add_record(
        User,
        at,
        first_name=first,
        last_name=last,
        site_admin=number % 11 == 3,
        deactivated=number % 9 == 7 or number % 22 == 14,
        employee_id=f"E-{1000 + number}" if number % 3 else None,
        job_title=random.choice(sample_values.JOB_TITLES) if number % 2 else None,
        office_ids=[random.choice(dataset.offices.ids)] if number % 2 else [],
        department_ids=[random.choice(dataset.departments.ids)] if number % 3 == 0 else [],
    )
    email = f"person{number + 1}@{dataset.domain}"
    _add_email(context, user, email.title() if number % 8 == 6 else email, at, primary=True)
    if number % 4 == 1:
        second = f"p{number + 1}.private@mail.example"
        _add_email(context, user, second, at, primary=False, verified=number % 8 == 1)


def _add_service_account(context: GenerationContext) -> None:
    # Without an email, as v3's users observe.
    context.dataset.add_record(
        User,
        context.pick_time_before(500),
        first_name="Sync",
        last_name="Bot",
        service_account=True,
    )


def _add_jobs(context: GenerationContext, count: int) -> None:
    dataset = context.dataset
    for number in range(count):
        if number == max(1, count * 4 // 5):
            for kind in ("jobs", "job_interview_stages", "openings", "job_posts"):
                dataset.use_64_bit_ids(kind)
        job = _add_job(context, number, count)
        _add_stages(context, job, number)
        _add_openings(context, job, number)
        _add_hiring_team(context, job)
        if not job.is_template and not job.confidential:
            _add_job_posts(context, job, number)


def _choose_job_status(number: int) -> str:
    return {6: "closed", 14: "closed", 18: "closed", 9: "draft", 17: "draft"}.get(
        number % 20, "open"
    )


def _choose_template_flag(number: int) -> bool | None:
    return {3: True, 4: None}.get(number % 20, False)


def _add_job(context: GenerationContext, number: int, count: int) -> Job:
    dataset, random = context.dataset, context.random
    age = 400 - 390 * number / count
    at, status = context.pick_time_before(age), _choose_job_status(number)
    title = sample_values.JOB_TITLES[number % len(sample_values.JOB_TITLES)]
    if number >= len(sample_values.JOB_TITLES):
        title += f" {number // len(sample_values.JOB_TITLES) + 1}"
    return dataset.add_record(
        Job,
        at,
        name=title,
        requisition_id=None if number % 5 == 2 else f"REQ-{number + 1:04d}",
        notes="<p>Speak to the team first.</p>" if number % 3 == 0 else None,
        confidential=number % 20 in (5, 13),
        status=status,
        # A draft can have been opened before (observed in recordings).
        opened_at=None if status == "draft" and number % 2 else at,
        closed_at=context.pick_time_before(age / 2) if status == "closed" else None,
        is_template=_choose_template_flag(number),
        copied_from_id=random.choice(dataset.jobs.ids) if number % 6 == 5 else None,
        department_id=None if number % 7 == 4 else random.choice(dataset.departments.ids),
        office_ids=sorted(random.sample(dataset.offices.ids, number % 3)),
        custom=_build_job_fields(random, number),
    )


def _build_job_fields(random: Random, number: int) -> CustomFields:
    low = random.randrange(40, 120) * 1000
    band = {"min_value": low, "max_value": low + 20_000, "unit": "USD"}
    return {
        "employment_type": {
            "name": "Employment Type",
            "type": "single_select",
            "value": random.choice(("Full-time", "Part-time", "Contract")),
        },
        "salary_range": {
            "name": "Salary Range",
            "type": "currency_range",
            "value": band if number % 2 else None,
        },
    }


def _add_stages(context: GenerationContext, job: Job, number: int) -> None:
    add = context.dataset.add_record
    for priority, name in enumerate(sample_values.STAGE_NAMES):
        add(Stage, job.created_at, job_id=job.id, name=name, priority=priority)
    if number % 4 == 1:  # deleted stages stay, inactive
        add(Stage, job.created_at, job_id=job.id, name="Take Home Test", priority=2, active=False)


def _add_openings(context: GenerationContext, job: Job, number: int) -> None:
    random, dataset = context.random, context.dataset
    for order in range(random.randrange(1, 4)):
        closed = job.status == "closed" or (order == 1 and number % 4 == 0)
        dataset.add_record(
            Opening,
            job.created_at,
            job_id=job.id,
            # Opening IDs repeat across jobs: Greenhouse does not keep them unique.
            opening_id=f"{number % 10 + 1}-{order + 1}" if order != 2 else None,
            open=not closed,
            opened_at=job.created_at,
            closed_at=(job.closed_at or context.pick_time_before(5)) if closed else None,
            sort_order=order,
            close_reason_id=random.choice(dataset.close_reasons.ids) if closed and order else None,
        )


def _add_hiring_team(context: GenerationContext, job: Job) -> None:
    random, dataset = context.random, context.dataset
    if random.random() < 0.25:
        return
    user_ids = [user.id for user in dataset.users if not user.service_account]
    member_ids = random.sample(user_ids, min(4, len(user_ids)))
    kinds = ("hiring_manager", "recruiter", "coordinator", "sourcer")
    for kind, user_id in zip(kinds, member_ids, strict=False):
        responsible = kind in ("recruiter", "coordinator")
        dataset.add_record(
            TeamMember,
            job.created_at,
            job_id=job.id,
            user_id=user_id,
            type=kind,
            responsible=responsible,
        )


def _add_job_posts(context: GenerationContext, job: Job, number: int) -> None:
    for order in range((1, 1, 0, 2)[number % 4]):
        live = job.status == "open" and order == 0
        office = context.dataset.offices.get(job.office_ids[0]) if job.office_ids else None
        context.dataset.add_record(
            JobPost,
            job.created_at,
            job_id=job.id,
            title=job.name,
            internal=order == 1,
            active=order == 0 or number % 8 != 3,
            live=live,
            first_published_at=job.created_at if live else None,
            content=f"<p>Join us as {job.name}.</p>" if live else None,
            internal_content="<p>Apply today!</p>" if order else None,
            location=office.location if office else None,
            office_id=office.id if office else None,
        )


def _add_grants(context: GenerationContext, personas: tuple[Persona, ...]) -> None:
    requisitions = [job for job in context.dataset.jobs if job.is_requisition]
    open_jobs = [job for job in requisitions if job.status == "open" and not job.confidential]
    confidential_jobs = [job for job in requisitions if job.status == "open" and job.confidential]
    closed_jobs = [job for job in requisitions if job.status == "closed"]
    for persona in personas:
        user = context.users_by_persona[persona.email_names[0]]
        _grant_persona_jobs(context, persona, user, open_jobs, confidential_jobs, closed_jobs)
    _grant_random_users(context, open_jobs, confidential_jobs)
    department = context.dataset.departments.ids[0]
    for number, persona in enumerate(p for p in personas if p.access == "standard"):
        context.dataset.add_record(
            FutureJobPermission,
            context.pick_time_before(100),
            user_id=context.users_by_persona[persona.email_names[0]].id,
            role_id=context.roles["Standard"].id,
            department_id=None if number else department,
        )


def _grant_persona_jobs(
    context: GenerationContext,
    persona: Persona,
    user: User,
    open_jobs: list[Job],
    confidential_jobs: list[Job],
    closed_jobs: list[Job],
) -> None:
    role = "Standard"
    jobs: list[Job] = []
    if persona.email_names[0] == "remy":
        jobs = open_jobs[1::3] + confidential_jobs[:1] + closed_jobs[:1]
    elif persona.access == "advance_only":
        role, jobs = "Advance only", open_jobs[:3]
    elif persona.access == "interviewer":
        role, jobs = "Interviewer", open_jobs[2:4]
    elif persona.access == "standard":
        jobs = open_jobs[:2]
    elif persona.deactivated:
        jobs = open_jobs[:2] + confidential_jobs[1:2]
    for number, job in enumerate(jobs):
        _add_grant(context, user, job, role, automated=None if number == 0 else number % 2 == 0)


def _grant_random_users(
    context: GenerationContext, open_jobs: list[Job], confidential_jobs: list[Job]
) -> None:
    random = context.random
    persona_ids = {user.id for user in context.users_by_persona.values()}
    for user in context.dataset.users:
        if user.id in persona_ids or user.site_admin or user.service_account or user.id % 3 == 0:
            continue
        for job in random.sample(open_jobs, min(len(open_jobs), random.randrange(1, 5))):
            role = random.choice(("Standard", "Private", "Standard", "Interviewer"))
            _add_grant(context, user, job, role, automated=False)
    other_user = next((user for user in context.dataset.users if user.id not in persona_ids), None)
    if other_user and len(confidential_jobs) > 1:
        _add_grant(context, other_user, confidential_jobs[1], "Private", automated=False)


def _add_grant(
    context: GenerationContext, user: User, job: Job, role: str, *, automated: bool | None
) -> None:
    granted_job_ids = {row.job_id for row in context.dataset.grants.filter_by("user_id", user.id)}
    if job.id in granted_job_ids:
        return
    context.dataset.add_record(
        JobPermission,
        context.pick_time_before(50),
        user_id=user.id,
        job_id=job.id,
        role_id=context.roles[role].id,
        automated=automated,
    )
