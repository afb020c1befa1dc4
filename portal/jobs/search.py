"""Searching the list: by title, requisition id, Greenhouse's id, or a person.

A person is one on the hiring team, or a candidate whose application the reader may see, by name.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping
from typing import Any, NamedTuple

from django.db.models import BooleanField, F, Func, QuerySet, Subquery, TextField, Value

from portal.accounts.models import Membership
from portal.connections.models import Connection
from portal.core.keys import as_key
from portal.entitlements.rules import Rights, visible_applications
from portal.mirror.models import Application, AtsUser, Candidate, Job, TeamMember

# An index of trigrams finds no shorter words. Other scripts need fewer letters for a name.
FEWEST_LETTERS = 3
_MOST_FOUND = 200


class Found(NamedTuple):
    """A candidate whom the words mean, by an application of theirs."""

    application: int
    name: str


def named_applications(
    member: Membership, held: Rights, *, closed: bool = False
) -> QuerySet[Application]:
    """The applications that the member sees with a name: none where names may not be read."""
    if "candidates" in held.features.off:
        return Application.objects.none()
    return visible_applications(member, held=held, closed=closed)


def matching(
    jobs: QuerySet[Job], words: str, named: QuerySet[Application], here: Connection | None
) -> QuerySet[Job]:
    """The jobs that the words mean. `named`: the applications whose candidates may be found.

    Each is asked for by itself, so that each uses its own index; an `or` over them would read
    every job. And each is asked for `here` alone: what other connections have of the same words
    would cost as much as one's own.
    """
    ours = Job.objects.filter(connection=here).order_by()
    people = AtsUser.objects.filter(connection=here, name__icontains=words).order_by()
    teams = TeamMember.objects.filter(_Among(F("user_id"), Subquery(people.values("pk"))))
    found = ours.filter(name__icontains=words).values("pk")
    others = [
        ours.filter(requisition_id__icontains=words).values("pk"),
        teams.order_by().values("job_id"),
    ]
    if (remote_id := as_key(words)) is not None:
        others.append(ours.filter(remote_id=remote_id).values("pk"))
    if _may_be_a_name(words):
        others.append(_of(named, words, here).order_by().values("job_id"))
    return jobs.filter(_Among(F("pk"), Subquery(found.union(*others, all=True))))


class _Among(Func):
    """Whether a key is among what a subquery finds.

    PostgreSQL takes it as an array, which it makes once. Of an `in` it may make a join, and where
    it expects few rows, do the whole search anew for each.
    """

    template, arg_joiner = "%(expressions)s)", " = ANY(ARRAY"
    output_field = BooleanField()

    def as_sqlite(self, compiler: Any, connection: Any, **_: Any) -> Any:
        return self.as_sql(compiler, connection, template="%(expressions)s", arg_joiner=" IN ")


def candidates_found(
    jobs: Collection[int], words: str, named: QuerySet[Application], here: Connection | None
) -> Mapping[int, list[Found]]:
    """Of these jobs, the candidates whom the words mean, by job."""
    if not jobs or not _may_be_a_name(words):
        return {}
    found = defaultdict(list)
    people = _of(named.filter(job__in=jobs), words, here)
    for job, application, first, last in people.order_by(
        "candidate__last_name", "candidate_id", "pk"
    ).values_list("job_id", "pk", "candidate__first_name", "candidate__last_name")[:_MOST_FOUND]:
        found[job].append(Found(application, f"{first} {last}".strip()))
    return found


def _may_be_a_name(words: str) -> bool:
    return len(words) >= FEWEST_LETTERS or not words.isascii()


def _of(
    applications: QuerySet[Application], words: str, here: Connection | None
) -> QuerySet[Application]:
    named = Candidate.objects.filter(connection=here).alias(whole=_whole_name())
    people = named.filter(whole__icontains=words)
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
