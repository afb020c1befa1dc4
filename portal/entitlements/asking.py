"""Asking why somebody does not see a job, without learning of jobs that are not one's own to know.

A recruiter gets the same answer for a job that is hidden from them and for one that does not
exist: what was pasted is only ever looked up among the jobs they see. An admin asks about anybody
of their organization, and about every job that is not confidential; of a confidential one they
learn only what they see themselves. Customer success is told no name of a confidential job.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from django.db.models import Q, QuerySet

from portal.accounts.models import Membership
from portal.core.keys import as_key
from portal.entitlements.explain import (
    Answer,
    Decision,
    Step,
    Way,
    about_person,
    explain,
    last_refresh,
)
from portal.entitlements.rules import Rights, rights, visible_jobs
from portal.mirror.models import Job

# Addresses of a job as Greenhouse writes them: /sdash/274075, /plans/274075, /jobs/274075.
_IN_LINK = re.compile(r"greenhouse\.io/(?:[a-z_]+/)*(\d{1,18})(?!\d)", re.I)
MOST = 5  # decisions shown for one question


@dataclass(frozen=True)
class Told:
    """A decision about one job. `job` None: none was found that the asker may know of."""

    job: Job | None
    decision: Decision
    named: bool = True


def ask_for_oneself(member: Membership, pasted: str) -> list[Told]:
    """What a recruiter is told about themselves."""
    held = rights(member)
    found = list(_pasted(visible_jobs(member, held=held, closed=True), pasted)[:MOST])
    return [Told(job, explain(member, job, held=held)) for job in found] or [_unknown(held)]


def ask_as_admin(admin: Membership, about: Membership, pasted: str) -> list[Told]:
    """What an admin is told about a member. Raises ValueError for one of another organization."""
    if admin.organization_id != about.organization_id or not admin.is_admin:
        raise ValueError("an admin asks about members of their own organization")
    own = visible_jobs(admin, closed=True)
    known = _of_organization(about).filter(Q(confidential=False) | Q(pk__in=own))
    return _ask(about, known, pasted)


def ask_as_staff(about: Membership, pasted: str) -> list[Told]:
    """What customer success is told about a member. Confidential jobs stay without a name."""
    jobs, named = _for_staff(about.organization_id, pasted)
    return _ask(about, jobs, pasted, named=named)


def found_by_staff(organization_id: int, pasted: str) -> list[tuple[Job, bool]]:
    """The jobs that customer success may mean with this, each with whether it may be named."""
    jobs, named = _for_staff(organization_id, pasted)
    return [(job, named) for job in _pasted(jobs, pasted)[:MOST]]


def _for_staff(organization_id: int, pasted: str) -> tuple[QuerySet[Job], bool]:
    """Where staff's question is looked up: a confidential job by its id alone, without a name."""
    jobs = Job.objects.filter(connection__organization=organization_id)
    named = jobs.filter(confidential=False)
    by_id = _remote_id(pasted)
    if by_id is None or _pasted(named, pasted).exists():
        return named, True
    return jobs.filter(confidential=True, remote_id=by_id), False


def _ask(about: Membership, jobs: QuerySet[Job], pasted: str, *, named: bool = True) -> list[Told]:
    held = rights(about)
    found = list(_pasted(jobs, pasted)[:MOST])
    told = [Told(job, explain(about, job, held=held), named) for job in found]
    return told or [_unknown(held)]


def _of_organization(member: Membership) -> QuerySet[Job]:
    return Job.objects.filter(connection__organization=member.organization_id)


def _pasted(jobs: QuerySet[Job], pasted: str) -> QuerySet[Job]:
    """The jobs that a pasted id, requisition id, link or title means, best first."""
    words = pasted.strip()[:300]
    if not words:
        return jobs.none()
    meant = Q(requisition_id__iexact=words) | Q(name__icontains=words)
    if (remote_id := _remote_id(words)) is not None:
        meant |= Q(remote_id=remote_id)
    return jobs.filter(meant).order_by("name", "id")


def _remote_id(pasted: str) -> int | None:
    words = pasted.strip()
    if (typed := as_key(words)) is not None:
        return typed
    link = _IN_LINK.search(words)
    return int(link[1]) if link else None


def _unknown(held: Rights) -> Told:
    """The same for a job that is hidden and for one that is not there."""
    steps, way = about_person(held)
    if way is None:
        steps += (
            Step(
                Answer.NO,
                "Nothing that can be told of fits what was asked. There may be no such "
                "requisition; it may be a draft; or Greenhouse may give no access to it. Which of "
                "these it is, is not told here.",
            ),
        )
        way = Way(
            "If it exists, its Job Admins can add the account to it in Greenhouse; a confidential "
            "one can be granted only by somebody who is on it.",
            "The person who gave you the link, or who manages Greenhouse at the company",
        )
    return Told(None, Decision(False, steps + last_refresh(held), way))
