"""Why a member sees a job or does not: the rules of `portal.entitlements.rules`, told in words.

The steps are worked out beside the queryset, not from it; a property test holds the two together.
Whom a decision may be shown to is asked in `portal.entitlements.asking`, not here.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from integrations.ats.types import JobStatus
from portal.accounts.models import Membership
from portal.connections.models import Connection
from portal.entitlements.people import Standing
from portal.entitlements.rules import Rights, rights
from portal.mirror import freshness
from portal.mirror.models import AtsRole, AtsUser, Job, JobGrant, TeamMember

MANAGER = "The person who manages Greenhouse at the company"
ADMIN = "An admin of the organization, in Set-up"
_State = Connection.State


class Answer(StrEnum):
    """What a step says about seeing the job."""

    YES = "yes"
    NO = "no"
    NOTE = "note"


@dataclass(frozen=True)
class Step:
    """`at`: a moment that belongs behind the words, which then have no full stop."""

    answer: Answer
    words: str
    at: datetime | None = None


@dataclass(frozen=True)
class Way:
    """What would change the decision, and who can do that."""

    change: str
    who: str


@dataclass(frozen=True)
class Decision:
    """`way` is None where the job is seen."""

    seen: bool
    steps: tuple[Step, ...]
    way: Way | None = None


def explain(member: Membership, job: Job, *, held: Rights | None = None) -> Decision:
    """Whether the member sees this job, open or closed, and why, step by step."""
    held = held or rights(member)
    steps, way = about_person(held)
    if way is None and job.connection_id != getattr(held.match.connection, "pk", None):
        steps += (Step(Answer.NO, "This requisition is not this organization's."),)
        way = Way("Nothing would change that.", "Nobody")
    if way is not None or held.match.user is None:
        return Decision(False, steps + last_refresh(held), way)
    shown = _shown_at_all(job)
    steps += (shown,)
    access, opening = _access(held, held.match.user, job)
    steps += access + last_refresh(held)
    if shown.answer is Answer.NO:
        return Decision(False, steps, _way_of_state(job))
    return Decision(opening is None, steps, opening)


def about_person(held: Rights) -> tuple[tuple[Step, ...], Way | None]:
    """The steps that are the same for every job, and the way on where they already say no."""
    connected = _connected(held)
    if connected.answer is Answer.NO:
        return (connected,), Way("Connect Greenhouse, or take the pause off.", ADMIN)
    matched, way = _matched(held)
    if way is not None or held.match.user is None:
        return (connected, matched), way
    if held.match.user.deactivated:
        off = Step(Answer.NO, "That Greenhouse account is deactivated, so it gives access nowhere.")
        return (connected, matched, off), Way("Reactivate the account in Greenhouse.", MANAGER)
    on = Step(Answer.YES, "That Greenhouse account is active.")
    return (connected, matched, on, _level(held.match.user)), None


def last_refresh(held: Rights) -> tuple[Step, ...]:
    """As of when all this is; nothing where no connection is there or nothing was ever read."""
    connection = held.match.connection
    at = freshness.of_access(connection) if connection else None
    words = "People and their access were last read from Greenhouse on"
    return (Step(Answer.NOTE, words, at),) if at else ()


def _connected(held: Rights) -> Step:
    connection = held.match.connection
    if connection is None or connection.state == _State.DRAFT:
        return Step(Answer.NO, "Greenhouse is not connected yet.")
    if not held.connected:
        return Step(
            Answer.NO, f"The connection to Greenhouse is {connection.get_state_display().lower()}."
        )
    return Step(Answer.YES, "Greenhouse is connected.")


def _matched(held: Rights) -> tuple[Step, Way | None]:
    found = held.match
    if found.standing == Standing.UNCONFIRMED:
        return (
            Step(Answer.NO, f"The address {found.address} was never confirmed here."),
            Way("Follow the link in the confirmation mail.", "The person themself"),
        )
    if found.standing == Standing.AMBIGUOUS:
        return (
            Step(Answer.NO, f"More than one Greenhouse account has the address {found.address}."),
            Way("Leave the address on one account only, in Greenhouse.", MANAGER),
        )
    if found.unverified:
        return (
            Step(
                Answer.NO,
                f"Greenhouse has the address {found.address}, but it was never confirmed there.",
            ),
            Way("Confirm the address in the Greenhouse profile.", f"Its owner, or {_low(MANAGER)}"),
        )
    if found.user is None:
        return (
            Step(Answer.NO, f"Nobody in Greenhouse has the address {found.address}."),
            Way(
                "Use one address in both places: add this one to the Greenhouse account, or sign "
                "in here with the one that Greenhouse knows.",
                f"{MANAGER}, or an admin of the organization",
            ),
        )
    kind = "the primary address" if found.primary else "one of the addresses"
    return (
        Step(
            Answer.YES,
            f"Matched to {found.user} in Greenhouse by {found.address}, {kind} of that account.",
        ),
        None,
    )


def _level(user: AtsUser) -> Step:
    if user.site_admin:
        return Step(
            Answer.NOTE, "Site Admin in Greenhouse: every requisition that is not confidential."
        )
    return Step(Answer.NOTE, "Not a Site Admin in Greenhouse: only requisitions that are granted.")


def _shown_at_all(job: Job) -> Step:
    if job.gone_at is not None:
        return Step(Answer.NO, "Greenhouse no longer has this requisition.")
    if job.status == JobStatus.OPEN:
        return Step(Answer.YES, "The requisition is open.")
    if job.status == JobStatus.CLOSED:
        return Step(Answer.YES, "The requisition is closed: it is under Closed, not in the list.")
    return Step(Answer.NO, f"The requisition is “{job.status}” in Greenhouse: not open yet.")


def _way_of_state(job: Job) -> Way:
    if job.gone_at is not None:
        return Way("Nothing here: it was deleted in Greenhouse.", MANAGER)
    return Way("Open the requisition in Greenhouse.", f"{MANAGER}, or a Job Admin of it")


def _access(held: Rights, user: AtsUser, job: Job) -> tuple[tuple[Step, ...], Way | None]:
    """The steps on who may see the job, and what is missing; None where nothing is."""
    steps: list[Step] = []
    allowed = False
    if job.confidential:
        steps.append(
            Step(
                Answer.NOTE,
                "The requisition is confidential: only people it is granted to see it, and a Site "
                "Admin is no exception.",
            )
        )
    elif user.site_admin:
        allowed = True
        steps.append(Step(Answer.YES, "It is not confidential, so a Site Admin sees it."))
    if held.by_hiring_team:
        found = tuple(_by_team(held, user, job))
    else:
        found = (*_by_grant(user, job), *_team_is_no_right(user, job))
    allowed = allowed or any(step.answer is Answer.YES for step in found)
    steps += found
    return tuple(steps), None if allowed else _way_of_access(held, job)


def _by_grant(user: AtsUser, job: Job) -> Iterator[Step]:
    grants = JobGrant.objects.filter(user=user, job=job, gone_at=None).order_by("-job_admin", "id")
    names = dict(
        AtsRole.objects.filter(connection=job.connection_id).values_list("remote_id", "name")
    )
    for grant in grants:
        name = names.get(grant.role_remote_id or 0)
        role = f", in the role “{name}”" if name else ""
        # Greenhouse does not tell when it granted something; we know when we saw it first.
        if grant.job_admin:
            words = f"Greenhouse grants this requisition as Job Admin{role}. First seen here on"
            yield Step(Answer.YES, words, grant.first_seen_at)
        else:
            words = f"Greenhouse grants only interviews here{role}, which shows nothing. First seen"
            yield Step(Answer.NOTE, f"{words} here on", grant.first_seen_at)
    if not grants:
        yield Step(
            Answer.NO if job.confidential or not user.site_admin else Answer.NOTE,
            "Greenhouse lists no grant of this requisition for that account.",
        )


def _team_is_no_right(user: AtsUser, job: Job) -> Iterator[Step]:
    if roles := _team_roles(user, job):
        yield Step(
            Answer.NOTE, f"On the hiring team as {roles}. In Greenhouse that is no right by itself."
        )


def _by_team(held: Rights, user: AtsUser, job: Job) -> Iterator[Step]:
    yield Step(
        Answer.NOTE,
        "The Greenhouse credential may not read who was granted which requisition, so a place on "
        "the hiring team stands in for that, save for confidential ones.",
    )
    if not held.team_is_known:
        yield Step(Answer.NO, "It may not read hiring teams either.")
    elif roles := _team_roles(user, job):
        answer = Answer.NO if job.confidential else Answer.YES
        yield Step(answer, f"On the hiring team as {roles}.")
    else:
        yield Step(Answer.NO, "Not on the hiring team.")


def _team_roles(user: AtsUser, job: Job) -> str:
    places = TeamMember.objects.filter(user=user, job=job).order_by("role")
    return " and ".join(place.role.replace("_", " ") for place in places)


def _way_of_access(held: Rights, job: Job) -> Way:
    if held.by_hiring_team:
        return Way(
            "Let the credential read “User Permissions · List Job Permissions”, so that exact "
            "grants count.",
            ADMIN,
        )
    if job.confidential:
        return Way(
            "Add the account to the requisition in Greenhouse.",
            "Somebody who is on that confidential requisition",
        )
    return Way(
        "Make the account a Job Admin of the requisition, or a Site Admin, in Greenhouse.", MANAGER
    )


def _low(words: str) -> str:
    return words[0].lower() + words[1:]
