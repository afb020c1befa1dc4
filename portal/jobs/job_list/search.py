"""Search by title, requisition ID, Greenhouse ID, hiring team member or candidate."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping
from typing import Any, NamedTuple

from django.db.models import BooleanField, F, Func, QuerySet, Subquery

from portal.accounts.models import Membership
from portal.connections.models import Connection
from portal.core.names.search_keys import count_letters, match_name, match_title, may_be_name
from portal.core.names.text import format_person_name, format_unnamed
from portal.entitlements.rules import Rights, visible_applications
from portal.sync.models import Application, AtsUser, Candidate, Job, TeamMember
from portal.web.id_parsing import parse_id

# Trigram indexes can't find shorter words. Names in other scripts have fewer letters.
MIN_NAME_LENGTH = 3
_MAX_MATCHES = 200


class CandidateMatch(NamedTuple):
    application: int  # primary key
    name: str


def named_applications(
    member: Membership, rights: Rights, *, closed: bool = False
) -> QuerySet[Application]:
    """Visible applications whose candidate names may be read."""
    if "candidates" in rights.features.unavailable:
        return Application.objects.none()
    return visible_applications(member, member_rights=rights, closed=closed)


def search_jobs(
    jobs: QuerySet[Job], query: str, named: QuerySet[Application], connection: Connection | None
) -> QuerySet[Job]:
    """Search `jobs`; of candidates, only those of the applications `named` match.

    The conditions are a union, so that each uses its own index; OR would scan all jobs. Each is
    limited to `connection`, since matches of other customers would cost as much.
    """
    own_jobs = Job.objects.filter(connection=connection).order_by()
    name = query if may_be_name(query) else ""
    people = AtsUser.objects.filter(match_name("search_name", name), connection=connection)
    teams = TeamMember.objects.filter(
        _InSubqueryArray(F("user_id"), Subquery(people.order_by().values("pk")))
    )
    name_matches = own_jobs.filter(match_title(query)).values("pk")
    other_matches = [
        own_jobs.filter(requisition_id__icontains=query).values("pk"),
        teams.order_by().values("job_id"),
    ]
    if (remote_id := parse_id(query)) is not None:
        other_matches.append(own_jobs.filter(remote_id=remote_id).values("pk"))
    if is_searchable_name(query):
        other_matches.append(
            _filter_by_candidate_name(named, query, connection).order_by().values("job_id")
        )
    return jobs.filter(
        _InSubqueryArray(F("pk"), Subquery(name_matches.union(*other_matches, all=True)))
    )


class _InSubqueryArray(Func):
    """`= ANY(ARRAY(subquery))`: PostgreSQL evaluates it once, an IN perhaps per row."""

    template, arg_joiner = "%(expressions)s)", " = ANY(ARRAY"
    output_field = BooleanField()

    def as_sqlite(self, compiler: Any, connection: Any, **_: Any) -> Any:
        return self.as_sql(compiler, connection, template="%(expressions)s", arg_joiner=" IN ")


def find_candidate_matches(
    jobs: Collection[int], query: str, named: QuerySet[Application], connection: Connection | None
) -> Mapping[int, list[CandidateMatch]]:
    if not jobs or not is_searchable_name(query):
        return {}
    matches = defaultdict(list)
    people = _filter_by_candidate_name(named.filter(job__in=jobs), query, connection)
    for job, application, first, last, preferred, remote_id in people.order_by(
        "candidate__last_name", "candidate_id", "pk"
    ).values_list(
        "job_id",
        "pk",
        "candidate__first_name",
        "candidate__last_name",
        "candidate__preferred_name",
        "candidate__remote_id",
    )[:_MAX_MATCHES]:
        name = format_person_name(first, last, preferred) or format_unnamed(remote_id)
        matches[job].append(CandidateMatch(application, name))
    return matches


def is_searchable_name(query: str) -> bool:
    return count_letters(query) >= MIN_NAME_LENGTH or not query.isascii()


def _filter_by_candidate_name(
    applications: QuerySet[Application], query: str, connection: Connection | None
) -> QuerySet[Application]:
    people = Candidate.objects.filter(match_name("search_name", query), connection=connection)
    return applications.filter(candidate__in=people.order_by())
