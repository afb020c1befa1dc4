"""Searching the list: by title, requisition id, Greenhouse's id, or a person.

A person is one on the hiring team, or a candidate whose application the reader may see, by name.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping

from django.db.models import F, Func, Q, QuerySet, TextField, Value

from portal.accounts.models import Membership
from portal.entitlements.rules import Rights, visible_applications
from portal.mirror.models import Application, Candidate, Job, TeamMember

# An index of trigrams finds no shorter words. Other scripts need fewer letters for a name.
FEWEST_LETTERS = 3
_MOST_FOUND = 200


def named_applications(
    member: Membership, held: Rights, *, closed: bool = False
) -> QuerySet[Application]:
    """The applications that the member sees with a name: none where names may not be read."""
    if "candidates" in held.features.off:
        return Application.objects.none()
    return visible_applications(member, held=held, closed=closed)


def matching(jobs: QuerySet[Job], words: str, named: QuerySet[Application]) -> QuerySet[Job]:
    """The jobs that the words mean. `named`: the applications whose candidates may be found.

    Each is asked for by itself, so that each uses its own index; an `or` over them would read
    every job.
    """
    everywhere = Job.objects.order_by()
    found = everywhere.filter(name__icontains=words).values("pk")
    others = [
        everywhere.filter(requisition_id__icontains=words).values("pk"),
        TeamMember.objects.order_by().filter(user__name__icontains=words).values("job_id"),
    ]
    if words.isascii() and words.isdigit() and len(words) < 19:
        others.append(everywhere.filter(remote_id=int(words)).values("pk"))
    if _may_be_a_name(words):
        others.append(_of(named, words).order_by().values("job_id"))
    return jobs.filter(Q(pk__in=found.union(*others, all=True)))


def candidates_found(
    jobs: Collection[int], words: str, named: QuerySet[Application]
) -> Mapping[int, list[str]]:
    """Of these jobs, the candidates whom the words mean, by job."""
    if not jobs or not _may_be_a_name(words):
        return {}
    found = defaultdict(list)
    here = _of(named.filter(job__in=jobs), words).order_by("candidate__last_name", "candidate_id")
    for job, first, last in here.values_list(
        "job_id", "candidate__first_name", "candidate__last_name"
    )[:_MOST_FOUND]:
        found[job].append(f"{first} {last}".strip())
    return found


def _may_be_a_name(words: str) -> bool:
    return len(words) >= FEWEST_LETTERS or not words.isascii()


def _of(applications: QuerySet[Application], words: str) -> QuerySet[Application]:
    people = Candidate.objects.alias(whole=_whole_name()).filter(whole__icontains=words)
    return applications.filter(candidate__in=people.order_by())


def _whole_name() -> Func:
    """As the index `candidate_name_trigrams` has it, to the letter."""
    return Func(
        F("first_name"),
        Value(" "),
        F("last_name"),
        template="(%(expressions)s)",
        arg_joiner=" || ",
        output_field=TextField(),
    )
