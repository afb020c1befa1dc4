"""Step-by-step explanations of `portal.entitlements.rules`; a property test ensures that both
agree.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from integrations.ats.types import JobStatus
from portal.accounts.models import Membership
from portal.connections.models import Connection
from portal.entitlements.access_paths import AccessReason
from portal.entitlements.rules import Rights, find_access_path, get_rights
from portal.entitlements.user_matching import MatchStatus
from portal.sync import freshness
from portal.sync.models import AtsRole, AtsUser, Job, JobGrant, TeamMember

GREENHOUSE_MANAGER = "Whoever manages Greenhouse at the company"
_State = Connection.State


class StepResult(StrEnum):
    YES = "yes"
    NO = "no"
    NOTE = "note"


@dataclass(frozen=True)
class ExplanationStep:
    result: StepResult
    text: str
    at: datetime | None = None  # shown after the text, which then has no period


@dataclass(frozen=True)
class AccessFix:
    change: str
    contact: str


@dataclass(frozen=True)
class AccessDecision:
    is_visible: bool
    steps: tuple[ExplanationStep, ...]
    fix: AccessFix | None = None  # None if the job is visible


def explain_access(
    member: Membership, job: Job, *, member_rights: Rights | None = None
) -> AccessDecision:
    member_rights = member_rights or get_rights(member)
    steps, fix = explain_member_access(member_rights)
    if fix is None and job.connection_id != getattr(member_rights.match.connection, "pk", None):
        text = "This requisition belongs to another organization."
        steps += (ExplanationStep(StepResult.NO, text),)
        fix = AccessFix("Access can't be granted across organizations.", "No one")
    if fix is not None or member_rights.match.user is None:
        return AccessDecision(False, steps + build_freshness_steps(member_rights), fix)
    status_step = _explain_job_status(job)
    steps += (status_step,)
    access_steps, access_fix = _explain_job_access(member_rights, member_rights.match.user, job)
    steps += access_steps + build_freshness_steps(member_rights)
    if status_step.result is StepResult.NO:
        return AccessDecision(False, steps, _suggest_status_fix(job))
    return AccessDecision(access_fix is None, steps, access_fix)


def explain_member_access(
    member_rights: Rights,
) -> tuple[tuple[ExplanationStep, ...], AccessFix | None]:
    """The steps common to all jobs, and a fix if they deny access."""
    connection_step = _explain_connection(member_rights)
    if connection_step.result is StepResult.NO:
        return (connection_step,), AccessFix(
            "Connect Greenhouse or resume the connection.", _name_setup_admins(member_rights)
        )
    match_step, fix = _explain_match(member_rights)
    if fix is not None or member_rights.match.user is None:
        return (connection_step, match_step), fix
    if member_rights.match.user.deactivated:
        deactivated_step = ExplanationStep(
            StepResult.NO, "The Greenhouse account is deactivated, so it has no access."
        )
        return (connection_step, match_step, deactivated_step), AccessFix(
            "Reactivate the account in Greenhouse.", GREENHOUSE_MANAGER
        )
    active_step = ExplanationStep(StepResult.YES, "The Greenhouse account is active.")
    return (
        connection_step,
        match_step,
        active_step,
        _explain_site_admin(member_rights.match.user),
    ), None


def build_freshness_steps(member_rights: Rights) -> tuple[ExplanationStep, ...]:
    connection = member_rights.match.connection
    refreshed_at = freshness.get_access_read_at(connection) if connection else None
    text = "People and access last synced on"
    return (ExplanationStep(StepResult.NOTE, text, refreshed_at),) if refreshed_at else ()


def _explain_connection(member_rights: Rights) -> ExplanationStep:
    connection = member_rights.match.connection
    if connection is None or connection.state == _State.DRAFT:
        return ExplanationStep(StepResult.NO, "Greenhouse isn't connected yet.")
    if not member_rights.is_connected:
        return ExplanationStep(
            StepResult.NO,
            f"The connection to Greenhouse is {connection.get_state_display().lower()}.",
        )
    return ExplanationStep(StepResult.YES, "Greenhouse is connected.")


def _explain_match(member_rights: Rights) -> tuple[ExplanationStep, AccessFix | None]:
    user_match = member_rights.match
    if user_match.status == MatchStatus.UNCONFIRMED:
        return (
            ExplanationStep(StepResult.NO, f"The email {user_match.email} isn't confirmed here."),
            AccessFix("Open the link in the confirmation email.", "The user"),
        )
    if user_match.status == MatchStatus.AMBIGUOUS:
        return (
            ExplanationStep(
                StepResult.NO,
                f"More than one Greenhouse account has the email {user_match.email}.",
            ),
            AccessFix("In Greenhouse, keep the email on one account only.", GREENHOUSE_MANAGER),
        )
    if user_match.is_unverified:
        return (
            ExplanationStep(
                StepResult.NO,
                f"The email {user_match.email} isn't verified in Greenhouse.",
            ),
            AccessFix(
                "Verify the email in the Greenhouse profile.",
                f"The user, or {_lowercase_first(GREENHOUSE_MANAGER)}",
            ),
        )
    if user_match.user is None:
        return (
            ExplanationStep(
                StepResult.NO, f"No Greenhouse account has the email {user_match.email}."
            ),
            AccessFix(
                "Add the email to the Greenhouse account, or sign in here with the email that "
                "Greenhouse has.",
                f"{GREENHOUSE_MANAGER}, or {member_rights.admin_names}",
            ),
        )
    kind = "primary" if user_match.is_primary else "additional"
    return (
        ExplanationStep(
            StepResult.YES,
            f"Matched to {user_match.user} in Greenhouse by the {kind} email {user_match.email}.",
        ),
        None,
    )


def _explain_site_admin(user: AtsUser) -> ExplanationStep:
    if user.site_admin:
        return ExplanationStep(
            StepResult.NOTE,
            "Site Admin in Greenhouse: sees every requisition that isn't confidential.",
        )
    return ExplanationStep(
        StepResult.NOTE, "Not a Site Admin in Greenhouse: sees only requisitions they're granted."
    )


def _explain_job_status(job: Job) -> ExplanationStep:
    if job.gone_at is not None:
        return ExplanationStep(StepResult.NO, "Greenhouse no longer has this requisition.")
    if job.status == JobStatus.OPEN:
        return ExplanationStep(StepResult.YES, "The requisition is open.")
    if job.status == JobStatus.CLOSED:
        return ExplanationStep(StepResult.YES, "The requisition is closed. Find it under Closed.")
    return ExplanationStep(
        StepResult.NO, f"The requisition is “{job.status}” in Greenhouse, not open."
    )


def _suggest_status_fix(job: Job) -> AccessFix:
    if job.gone_at is not None:
        return AccessFix("It was deleted in Greenhouse and can't be shown.", GREENHOUSE_MANAGER)
    return AccessFix(
        "Open the requisition in Greenhouse.", f"{GREENHOUSE_MANAGER}, or one of its Job Admins"
    )


def _explain_job_access(
    member_rights: Rights, user: AtsUser, job: Job
) -> tuple[tuple[ExplanationStep, ...], AccessFix | None]:
    steps: list[ExplanationStep] = []
    access_path = find_access_path(user, member_rights, job)
    if job.confidential:
        steps.append(
            ExplanationStep(
                StepResult.NOTE,
                "The requisition is confidential: only people who were granted it can see it. "
                "Site Admins need a grant, too.",
            )
        )
    elif access_path and access_path.reason is AccessReason.SITE_ADMIN:
        steps.append(
            ExplanationStep(StepResult.YES, "It isn't confidential, so a Site Admin can see it.")
        )
    if member_rights.uses_hiring_team:
        steps += _explain_team_access(member_rights, user, job)
    else:
        steps += (*_explain_grants(user, job), *_explain_team_without_access(user, job))
    return tuple(steps), None if access_path else _suggest_access_fix(member_rights, job)


def _explain_grants(user: AtsUser, job: Job) -> Iterator[ExplanationStep]:
    grants = JobGrant.objects.filter(user=user, job=job, gone_at=None).order_by("-job_admin", "id")
    names = dict(
        AtsRole.objects.filter(connection=job.connection_id).values_list("remote_id", "name")
    )
    for grant in grants:
        name = names.get(grant.role_remote_id or 0)
        role = f" (role “{name}”)" if name else ""
        # Greenhouse doesn't tell when it granted access, so we show when we first saw the grant.
        if grant.job_admin:
            text = f"Job Admin of this requisition{role}. First seen here on"
            yield ExplanationStep(StepResult.YES, text, grant.first_seen_at)
        else:
            text = f"Interviewer only{role}, which gives no access here. First seen here on"
            yield ExplanationStep(StepResult.NOTE, text, grant.first_seen_at)
    if not grants:
        yield ExplanationStep(
            StepResult.NO if job.confidential or not user.site_admin else StepResult.NOTE,
            "Greenhouse hasn't granted this account the requisition.",
        )


def _explain_team_without_access(user: AtsUser, job: Job) -> Iterator[ExplanationStep]:
    if roles := _format_team_roles(user, job):
        yield ExplanationStep(
            StepResult.NOTE,
            f"On the hiring team as {roles}. In Greenhouse, that alone gives no access.",
        )


def _explain_team_access(
    member_rights: Rights, user: AtsUser, job: Job
) -> Iterator[ExplanationStep]:
    yield ExplanationStep(
        StepResult.NOTE,
        "The credential can't read exact job permissions, so the hiring team counts instead, "
        "except on confidential requisitions.",
    )
    if "hiring_team" in member_rights.features.unavailable:
        yield ExplanationStep(StepResult.NO, "The credential can't read hiring teams either.")
    elif roles := _format_team_roles(user, job):
        result = StepResult.NO if job.confidential else StepResult.YES
        yield ExplanationStep(result, f"On the hiring team as {roles}.")
    else:
        yield ExplanationStep(StepResult.NO, "Not on the hiring team.")


def _format_team_roles(user: AtsUser, job: Job) -> str:
    memberships = TeamMember.objects.filter(user=user, job=job).order_by("role")
    return " and ".join(membership.role.replace("_", " ") for membership in memberships)


def _suggest_access_fix(member_rights: Rights, job: Job) -> AccessFix:
    if member_rights.uses_hiring_team:
        return AccessFix(
            "Grant the credential “User Permissions · List Job Permissions”, so that exact "
            "job permissions count.",
            _name_setup_admins(member_rights),
        )
    if job.confidential:
        return AccessFix(
            "Add the account to the requisition in Greenhouse.",
            "Someone who can see that confidential requisition",
        )
    return AccessFix(
        "In Greenhouse, make the account a Job Admin of the requisition or a Site Admin.",
        GREENHOUSE_MANAGER,
    )


def _name_setup_admins(member_rights: Rights) -> str:
    return f"{member_rights.admin_names}, in Setup"


def _lowercase_first(text: str) -> str:
    return text[0].lower() + text[1:]
