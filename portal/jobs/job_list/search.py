"""Search by title, requisition ID, Greenhouse ID, office, hiring team member or candidate."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from django.db.models import (
    Aggregate,
    BooleanField,
    Count,
    F,
    Func,
    OuterRef,
    Q,
    QuerySet,
    Subquery,
    TextField,
    Value,
)
from django.db.models.lookups import Exact

from portal.accounts.models import Membership
from portal.connections.models import Connection
from portal.core.names.search_keys import count_letters, match_name, match_title, may_be_name
from portal.core.names.text import format_person_name, format_unnamed
from portal.entitlements.rules import Rights, visible_applications
from portal.sync.models import Application, AtsUser, Candidate, Job, Office, TeamMember
from portal.web.id_parsing import parse_id

# Trigram indexes can't find shorter words. Names in other scripts have fewer letters.
MIN_NAME_LENGTH = 3
_MAX_MATCHES = 200
COMMON_NAME_COUNT = 20_000  # people; of more, jobs are looked through until a page is full
_MAX_SPREAD_WORDS = 6  # each adds three subqueries


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
    limited to `connection`, since matches of other customers would cost as much. They are looked
    up at once: a page asks for its rows, their number and more.
    """
    own_jobs = Job.objects.filter(connection=connection).order_by()
    name = query if may_be_name(query) else ""
    people = AtsUser.objects.filter(match_name("search_name", name), connection=connection)
    matches = [
        *_match_job_itself(own_jobs, query, connection),
        _match_related_jobs(TeamMember.objects.all(), "user_id", people),
    ]
    if (remote_id := parse_id(query)) is not None:
        matches.append(own_jobs.filter(remote_id=remote_id).values("pk"))
    candidate_ids = _collect_candidate_ids(query, connection)
    if candidate_ids:
        is_named = _IsOneOf(F("candidate_id"), Value(candidate_ids))
        matches.append(named.filter(is_named).order_by().values("job_id"))
    typed_words = query.split()[:_MAX_SPREAD_WORDS]
    if len(typed_words) > 1:
        matches.append(_match_spread_words(own_jobs, typed_words, connection))
    matching = jobs.filter(is_in_any(matches)).order_by().aggregate(ids=_CollectIds("pk"))
    is_match = Q(_IsOneOf(F("pk"), Value(matching["ids"])))
    if candidate_ids is None:
        is_match |= _has_candidate_named(query, named)
    return jobs.filter(is_match)


def matches_job_itself(jobs: QuerySet[Job], query: str, connection: Connection | None) -> bool:
    """Whether the search finds any of `jobs` by something other than a person's name."""
    own_jobs = Job.objects.filter(connection=connection).order_by()
    typed_words = query.split()[:_MAX_SPREAD_WORDS]
    matches = _match_job_itself(own_jobs, query, connection)
    if len(typed_words) > 1:
        matches.append(_match_spread_words(own_jobs, typed_words, connection))
    return jobs.filter(is_in_any(matches)).exists()


def _match_job_itself(
    own_jobs: QuerySet[Job], query: str, connection: Connection | None
) -> list[QuerySet[Any, Any]]:
    offices = Office.objects.filter(match_name("search_name", query), connection=connection)
    return [
        own_jobs.filter(match_title(query)).values("pk"),
        own_jobs.filter(requisition_id__icontains=query).values("pk"),
        _match_related_jobs(Job.offices.through._default_manager.all(), "office_id", offices),
    ]


def _match_related_jobs(
    related_rows: QuerySet[Any], column: str, matches: QuerySet[Any]
) -> QuerySet[Any, Any]:
    """The jobs of the rows whose `column` is one of `matches`."""
    is_match = _InSubqueryArray(F(column), Subquery(matches.order_by().values("pk")))
    return related_rows.filter(is_match).order_by().values("job_id")


def _match_spread_words(
    own_jobs: QuerySet[Job], typed_words: Iterable[str], connection: Connection | None
) -> QuerySet[Any, Any]:
    """Jobs that contain each word somewhere: “nurse berlin” is a title and an office."""
    first_word, *other_words = (
        _union(_match_job_itself(own_jobs, word, connection)) for word in typed_words
    )
    return first_word.intersection(*other_words)


def _union(matches: Sequence[QuerySet[Any, Any]]) -> QuerySet[Any, Any]:
    first, *others = matches
    return first.union(*others, all=True)


def is_in_any(matches: Sequence[QuerySet[Any, Any]]) -> _InSubqueryArray:
    """A condition for jobs whose primary key is in any of these querysets of one column."""
    return _InSubqueryArray(F("pk"), Subquery(_union(matches)))


class _InSubqueryArray(Func):
    """`= ANY(ARRAY(subquery))`: PostgreSQL evaluates it once, an IN perhaps per row."""

    template, arg_joiner = "%(expressions)s)", " = ANY(ARRAY"
    output_field = BooleanField()

    def as_sqlite(self, compiler: Any, connection: Any, **_: Any) -> Any:
        return self.as_sql(compiler, connection, template="%(expressions)s", arg_joiner=" IN ")


class _CollectIds(Aggregate):
    """All IDs as one text, which is cheap to read and to send back: an array, or JSON on SQLite."""

    template, output_field = "CAST(ARRAY_AGG(%(expressions)s) AS text)", TextField()

    def as_sqlite(self, compiler: Any, connection: Any, **_: Any) -> Any:
        return self.as_sql(compiler, connection, template="JSON_GROUP_ARRAY(%(expressions)s)")


class _IsOneOf(Func):
    """Whether an ID is one of those collected by `_CollectIds`."""

    template, arg_joiner = "%(expressions)s AS bigint[]))", " = ANY(CAST("
    output_field = BooleanField()

    def as_sqlite(self, compiler: Any, connection: Any, **_: Any) -> Any:
        return self.as_sql(
            compiler,
            connection,
            template="%(expressions)s))",
            arg_joiner=" IN (SELECT value FROM json_each(",
        )


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


def _collect_candidate_ids(query: str, connection: Connection | None) -> str | None:
    """Empty if there are none, None if so many that looking through the jobs is faster."""
    if not is_searchable_name(query):
        return ""
    people = Candidate.objects.filter(match_name("search_name", query), connection=connection)
    limited = people.order_by().values("pk")[: COMMON_NAME_COUNT + 1]
    matches = limited.aggregate(ids=_CollectIds("pk"), count=Count("pk"))
    return None if matches["count"] > COMMON_NAME_COUNT else matches["ids"] or ""


def _has_candidate_named(query: str, named: QuerySet[Application]) -> Q:
    """Whether a job has such a candidate. As a value, not EXISTS, for which PostgreSQL would read
    all people of that name first; so it stops when a page is full.
    """
    on_job = named.filter(match_name("candidate__search_name", query), job=OuterRef("pk"))
    return Q(Exact(Subquery(on_job.order_by().values(_=Value(1))[:1]), 1))


def _filter_by_candidate_name(
    applications: QuerySet[Application], query: str, connection: Connection | None
) -> QuerySet[Application]:
    people = Candidate.objects.filter(match_name("search_name", query), connection=connection)
    return applications.filter(candidate__in=people.order_by())
