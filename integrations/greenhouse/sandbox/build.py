"""Making an account: deterministic by seed and size, with the oddities of the wild built in."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from random import Random

from . import names
from .build_applications import build_applications
from .build_custom import build_custom
from .cast import Player
from .clock import iso
from .records import (
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
from .world import World

LATEST = datetime(2026, 11, 20, 17, 0, tzinfo=UTC)
"""Nothing that is built is younger. Fixed, so that a seed always gives the same world."""


@dataclass(frozen=True)
class Size:
    """How big an account is to be."""

    jobs: int
    users: int | None = None
    applications: int | None = None


@dataclass
class Builder:
    """What the steps of building share."""

    world: World
    random: Random
    roles: dict[str, UserRole] = field(default_factory=dict)
    players: dict[str, User] = field(default_factory=dict)

    def before(self, days: float) -> str:
        """Give a moment up to a day earlier than ``days`` days before the latest one."""
        return iso(LATEST - timedelta(days=days, seconds=self.random.randrange(86_400)))


def build(world: World, players: tuple[Player, ...], size: Size, seed: int) -> None:
    """Fill an empty world."""
    made = Builder(world, Random(f"{world.account} {seed}"))
    _places(made)
    _catalogues(made)
    _people(made, players, size)
    build_custom(world, iso(LATEST - timedelta(days=800)))
    _jobs(made, size.jobs)
    _grants(made, players)
    total = size.applications if size.applications is not None else size.jobs * 10
    build_applications(world, made.random, total, LATEST)


def _places(made: Builder) -> None:
    add, random = made.world.add, made.random
    for number, name in enumerate(names.DEPARTMENTS):
        parent = made.world.departments.ids[0] if number in (4, 6) else None
        external = f"dep-{number}" if random.random() < 0.5 else None
        add(Department, made.before(900), name=name, parent_id=parent, external_id=external)
    for number, (name, location) in enumerate(names.OFFICES):
        external = f"off-{number}" if number % 2 else None
        add(Office, made.before(900), name=name, location=location, external_id=external)


def _catalogues(made: Builder) -> None:
    add = made.world.add
    for label, kind, advance, reject in (
        ("Interviewer", "interviewer", False, False),
        ("Standard", "job_admin", True, True),
        ("Private", "job_admin", True, True),
        ("Advance only", "job_admin", True, False),
    ):
        made.roles[label] = add(
            UserRole,
            made.before(900),
            name=label,
            role_type=kind,
            may_advance=advance,
            may_reject=reject,
        )
    for name in names.CLOSE_REASONS:
        add(CloseReason, made.before(800), name=name)
    for name, type_id in names.REJECTION_REASONS:
        add(RejectionReason, made.before(800), name=name, type_id=type_id)
    for name, type_id in names.DEFAULT_REJECTION_REASONS:
        add(RejectionReason, made.before(900), name=name, type_id=type_id, default=True)
    for name, type_id, type_name in names.SOURCES:
        add(Source, made.before(900), name=name, type_id=type_id, type_name=type_name)


def _people(made: Builder, players: tuple[Player, ...], size: Size) -> None:
    world = made.world
    for player in players:
        _player(made, player)
    wanted = size.users if size.users is not None else 24 + size.jobs // 20
    for number in range(max(0, wanted - len(players))):
        if number == 5:
            world.go_far("users")
        _somebody(made, number)
    _sync_bot(made)
    add = world.add
    first = world.users[world.users.ids[0]]
    add(Referrer, made.before(400), user_id=first.id, name=first.name)
    add(Referrer, made.before(300), user_id=None, name="An old friend")
    _templates(made, first)


def _templates(made: Builder, owner: User) -> None:
    add = made.world.add
    body = "<p>Dear {{CANDIDATE_FIRST_NAME}},</p><p>thank you for your time.</p>"
    add(
        EmailTemplate,
        made.before(500),
        name="Thank you, not this time",
        email_type="candidate_rejection",
        default=True,
        subject="Your application",
        html_body=body,
    )
    add(
        EmailTemplate,
        made.before(400),
        name="After an interview",
        email_type="candidate_rejection",
        subject="About our talk",
        html_body=body,
    )
    add(
        EmailTemplate,
        made.before(300),
        name="My own words",
        email_type="candidate_email",
        user_id=owner.id,
        html_body=body,
    )


def _player(made: Builder, player: Player) -> None:
    at = made.before(700)
    user = made.world.add(
        User,
        at,
        first_name=player.first_name,
        last_name=player.last_name,
        site_admin=player.access == "site_admin",
        deactivated=player.deactivated,
        employee_id=f"E-{player.last_name[:3].upper()}",
    )
    made.players[player.addresses[0]] = user
    for number, local in enumerate(player.addresses):
        _address(made, user, f"{local}@{made.world.domain}", at, primary=number == 0)


def _address(
    made: Builder, user: User, email: str, at: str, *, primary: bool, verified: bool = True
) -> None:
    made.world.add(UserEmail, at, user_id=user.id, email=email, primary=primary, verified=verified)


def _somebody(made: Builder, number: int) -> None:
    """Add one more user: some deactivated, some Site Admins, some with odd addresses."""
    random, world = made.random, made.world
    first, last = random.choice(names.FIRST), random.choice(names.LAST)
    at = made.before(600 - number % 500)
    user = world.add(
        User,
        at,
        first_name=first,
        last_name=last,
        site_admin=number % 11 == 3,
        deactivated=number % 9 == 7 or number % 22 == 14,
        employee_id=f"E-{1000 + number}" if number % 3 else None,
        job_title=random.choice(names.TITLES) if number % 2 else None,
        office_ids=[random.choice(world.offices.ids)] if number % 2 else [],
        department_ids=[random.choice(world.departments.ids)] if number % 3 == 0 else [],
    )
    email = f"person{number + 1}@{world.domain}"
    _address(made, user, email.title() if number % 8 == 6 else email, at, primary=True)
    if number % 4 == 1:
        second = f"p{number + 1}.private@mail.example"
        _address(made, user, second, at, primary=False, verified=number % 8 == 1)


def _sync_bot(made: Builder) -> None:
    """Add a service account: it has no e-mail (seen by readers of v3)."""
    made.world.add(User, made.before(500), first_name="Sync", last_name="Bot", service_account=True)


def _jobs(made: Builder, count: int) -> None:
    world = made.world
    for number in range(count):
        if number == max(1, count * 4 // 5):
            for kind in ("jobs", "job_interview_stages", "openings", "job_posts"):
                world.go_far(kind)
        job = _job(made, number, count)
        _stages(made, job, number)
        _openings(made, job, number)
        _team(made, job)
        if not job.is_template and not job.confidential:
            _posts(made, job, number)


def _status(number: int) -> str:
    return {6: "closed", 14: "closed", 18: "closed", 9: "draft", 17: "draft"}.get(
        number % 20, "open"
    )


def _template(number: int) -> bool | None:
    return {3: True, 4: None}.get(number % 20, False)


def _job(made: Builder, number: int, count: int) -> Job:
    world, random = made.world, made.random
    age = 400 - 390 * number / count
    at, status = made.before(age), _status(number)
    title = names.TITLES[number % len(names.TITLES)]
    if number >= len(names.TITLES):
        title += f" {number // len(names.TITLES) + 1}"
    return world.add(
        Job,
        at,
        name=title,
        requisition_id=None if number % 5 == 2 else f"REQ-{number + 1:04d}",
        notes="<p>Speak to the team first.</p>" if number % 3 == 0 else None,
        confidential=number % 20 in (5, 13),
        status=status,
        # A draft can have been opened once (seen in recordings).
        opened_at=None if status == "draft" and number % 2 else at,
        closed_at=made.before(age / 2) if status == "closed" else None,
        is_template=_template(number),
        copied_from_id=random.choice(world.jobs.ids) if number % 6 == 5 else None,
        department_id=None if number % 7 == 4 else random.choice(world.departments.ids),
        office_ids=sorted(random.sample(world.offices.ids, number % 3)),
        custom=_job_fields(random, number),
    )


def _job_fields(random: Random, number: int) -> CustomFields:
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


def _stages(made: Builder, job: Job, number: int) -> None:
    add = made.world.add
    for priority, name in enumerate(names.STAGES):
        add(Stage, job.created_at, job_id=job.id, name=name, priority=priority)
    if number % 4 == 1:  # deleted stages stay, inactive, so that history resolves
        add(Stage, job.created_at, job_id=job.id, name="Take Home Test", priority=2, active=False)


def _openings(made: Builder, job: Job, number: int) -> None:
    random, world = made.random, made.world
    for order in range(random.randrange(1, 4)):
        closed = job.status == "closed" or (order == 1 and number % 4 == 0)
        world.add(
            Opening,
            job.created_at,
            job_id=job.id,
            opening_id=f"{number + 1}-{order + 1}" if order != 2 else None,
            open=not closed,
            opened_at=job.created_at,
            closed_at=(job.closed_at or made.before(5)) if closed else None,
            sort_order=order,
            close_reason_id=random.choice(world.close_reasons.ids) if closed and order else None,
        )


def _team(made: Builder, job: Job) -> None:
    """Seat a hiring team; often nobody, and never a right."""
    random, world = made.random, made.world
    if random.random() < 0.25:
        return
    people = [user.id for user in world.users if not user.service_account]
    chosen = random.sample(people, min(4, len(people)))
    kinds = ("hiring_manager", "recruiter", "coordinator", "sourcer")
    for kind, user_id in zip(kinds, chosen, strict=False):
        responsible = kind in ("recruiter", "coordinator")
        world.add(
            TeamMember,
            job.created_at,
            job_id=job.id,
            user_id=user_id,
            type=kind,
            responsible=responsible,
        )


def _posts(made: Builder, job: Job, number: int) -> None:
    """Publish none, one or two posts: a job has any number of them."""
    for order in range((1, 1, 0, 2)[number % 4]):
        live = job.status == "open" and order == 0
        office = made.world.offices.get(job.office_ids[0]) if job.office_ids else None
        made.world.add(
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


def _grants(made: Builder, players: tuple[Player, ...]) -> None:
    real = [job for job in made.world.jobs if not job.is_template]
    opened = [job for job in real if job.status == "open" and not job.confidential]
    secret = [job for job in real if job.status == "open" and job.confidential]
    closed = [job for job in real if job.status == "closed"]
    for player in players:
        user = made.players[player.addresses[0]]
        _grant_player(made, player, user, opened, secret, closed)
    _grant_others(made, opened, secret)
    department = made.world.departments.ids[0]
    for number, player in enumerate(p for p in players if p.access == "standard"):
        made.world.add(
            FutureJobPermission,
            made.before(100),
            user_id=made.players[player.addresses[0]].id,
            role_id=made.roles["Standard"].id,
            department_id=None if number else department,
        )


def _grant_player(
    made: Builder,
    player: Player,
    user: User,
    opened: list[Job],
    secret: list[Job],
    closed: list[Job],
) -> None:
    """Give each of the cast the jobs they are known for."""
    role = "Standard"
    jobs: list[Job] = []
    if player.addresses[0] == "remy":
        jobs = opened[1::3] + secret[:1] + closed[:1]
    elif player.access == "advance_only":
        role, jobs = "Advance only", opened[:3]
    elif player.access == "interviewer":
        role, jobs = "Interviewer", opened[2:4]
    elif player.access == "standard":
        jobs = opened[:2]
    elif player.deactivated:
        jobs = opened[:2] + secret[1:2]
    for number, job in enumerate(jobs):
        _grant(made, user, job, role, automated=None if number == 0 else number % 2 == 0)


def _grant_others(made: Builder, opened: list[Job], secret: list[Job]) -> None:
    """Make some of the others Job Admins; rows of deactivated ones persist."""
    random = made.random
    known = {user.id for user in made.players.values()}
    for user in made.world.users:
        if user.id in known or user.site_admin or user.service_account or user.id % 3 == 0:
            continue
        for job in random.sample(opened, min(len(opened), random.randrange(1, 5))):
            role = random.choice(("Standard", "Private", "Standard", "Interviewer"))
            _grant(made, user, job, role, automated=False)
    bystander = next((user for user in made.world.users if user.id not in known), None)
    if bystander and len(secret) > 1:
        _grant(made, bystander, secret[1], "Private", automated=False)


def _grant(made: Builder, user: User, job: Job, role: str, *, automated: bool | None) -> None:
    taken = {row.job_id for row in made.world.grants.where("user_id", user.id)}
    if job.id in taken:
        return
    made.world.add(
        JobPermission,
        made.before(50),
        user_id=user.id,
        job_id=job.id,
        role_id=made.roles[role].id,
        automated=automated,
    )
