"""Look up why a member sees a job or not, without revealing jobs the asker may not know about.

Recruiters get the same answer for hidden and nonexistent jobs; admins may ask about all but
confidential jobs they don't see.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from django.db.models import Q, QuerySet

from portal.accounts.models import Membership
from portal.core.names.search_keys import match_title
from portal.entitlements.access_explanation import (
    AccessDecision,
    AccessFix,
    ExplanationStep,
    StepResult,
    build_freshness_steps,
    explain_access,
    explain_member_access,
)
from portal.entitlements.rules import Rights, get_rights, visible_jobs
from portal.sync.models import Job
from portal.web.id_parsing import parse_id

# URLs of a job in Greenhouse: /sdash/274075, /plans/274075, /jobs/274075.
_JOB_LINK = re.compile(r"greenhouse\.io/(?:[a-z_]+/)*(\d{1,18})(?!\d)", re.I)
MAX_RESULTS = 5


@dataclass(frozen=True)
class AccessAnswer:
    job: Job | None  # None: no job that the asker may know about
    decision: AccessDecision
    may_show_title: bool = True


def explain_own_access(member: Membership, query: str) -> list[AccessAnswer]:
    member_rights = get_rights(member)
    matching_jobs = list(
        _find_jobs(visible_jobs(member, member_rights=member_rights, closed=True), query)[
            :MAX_RESULTS
        ]
    )
    return [
        AccessAnswer(job, explain_access(member, job, member_rights=member_rights))
        for job in matching_jobs
    ] or [_build_unknown_answer(member_rights)]


def explain_no_own_access(member: Membership) -> AccessAnswer | None:
    """Why the member sees no requisition at all; None if they may see some."""
    member_rights = get_rights(member)
    steps, fix = explain_member_access(member_rights)
    if fix is None:
        return None
    steps += build_freshness_steps(member_rights)
    return AccessAnswer(None, AccessDecision(False, steps, fix))


def explain_access_to_admin(
    admin: Membership, member: Membership, query: str
) -> list[AccessAnswer]:
    """Raises ValueError for a member of another organization."""
    if admin.organization_id != member.organization_id or not admin.is_admin:
        raise ValueError("an admin asks about members of their own organization")
    own_jobs = visible_jobs(admin, closed=True)
    searchable_jobs = _list_organization_jobs(member).filter(
        Q(confidential=False) | Q(pk__in=own_jobs)
    )
    return _explain_matching_jobs(member, searchable_jobs, query)


def explain_access_to_staff(member: Membership, query: str) -> list[AccessAnswer]:
    jobs, may_show_title = _list_searchable_jobs(member.organization_id, query)
    return _explain_matching_jobs(member, jobs, query, may_show_title=may_show_title)


def find_jobs_for_staff(organization_id: int, query: str) -> list[tuple[Job, bool]]:
    """Matching jobs, each with whether its title may be shown."""
    jobs, may_show_title = _list_searchable_jobs(organization_id, query)
    return [(job, may_show_title) for job in _find_jobs(jobs, query)[:MAX_RESULTS]]


def _list_searchable_jobs(organization_id: int, query: str) -> tuple[QuerySet[Job], bool]:
    """Staff find a confidential job only by its ID, and without its title."""
    jobs = Job.objects.filter(connection__organization=organization_id)
    named_jobs = jobs.filter(confidential=False)
    remote_id = _parse_remote_id(query)
    if remote_id is None or _find_jobs(named_jobs, query).exists():
        return named_jobs, True
    return jobs.filter(confidential=True, remote_id=remote_id), False


def _explain_matching_jobs(
    member: Membership, jobs: QuerySet[Job], query: str, *, may_show_title: bool = True
) -> list[AccessAnswer]:
    member_rights = get_rights(member)
    matching_jobs = list(_find_jobs(jobs, query)[:MAX_RESULTS])
    answers = [
        AccessAnswer(job, explain_access(member, job, member_rights=member_rights), may_show_title)
        for job in matching_jobs
    ]
    return answers or [_build_unknown_answer(member_rights)]


def _list_organization_jobs(member: Membership) -> QuerySet[Job]:
    return Job.objects.filter(connection__organization=member.organization_id)


def _find_jobs(jobs: QuerySet[Job], query: str) -> QuerySet[Job]:
    text = query.strip()[:300]
    if not text:
        return jobs.none()
    job_filter = Q(requisition_id__iexact=text) | match_title(text)
    if (remote_id := _parse_remote_id(text)) is not None:
        job_filter |= Q(remote_id=remote_id)
    return jobs.filter(job_filter).order_by("name", "id")


def _parse_remote_id(query: str) -> int | None:
    text = query.strip()
    if (remote_id := parse_id(text)) is not None:
        return remote_id
    link = _JOB_LINK.search(text)
    return int(link[1]) if link else None


def _build_unknown_answer(member_rights: Rights) -> AccessAnswer:
    steps, fix = explain_member_access(member_rights)
    if fix is None:
        steps += (
            ExplanationStep(
                StepResult.NO,
                "No requisition you can access matches that. It may not exist, be a draft, or "
                "not be granted to this account.",
            ),
        )
        fix = AccessFix(
            "Add the account to the requisition in Greenhouse. If it's confidential, only someone "
            "who can see it can do that.",
            "Whoever sent you the link, or manages Greenhouse at the company",
        )
    return AccessAnswer(
        None, AccessDecision(False, steps + build_freshness_steps(member_rights), fix)
    )
