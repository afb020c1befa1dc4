"""Search by title, requisition ID, Greenhouse ID, office, hiring team member or candidate."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple

from django.db.models import BooleanField, Exists, F, Func, OuterRef, Q, QuerySet, Subquery, Value
from django.db.models.lookups import Exact

from portal.connections.models import Connection
from portal.core.database.compiled_queries import collect_once, compile_once
from portal.core.database.id_lists import IsOneOf, format_ids, parse_ids
from portal.core.names.search_keys import (
    Words,
    count_letters,
    match_name,
    match_title_words,
    match_words,
    may_be_name,
    parse_title,
    parse_words,
)
from portal.core.names.text import format_person_name, format_unnamed
from portal.entitlements.rules import Rights, Viewer, VisibilityRule
from portal.sync.models import Application, AtsUser, Candidate, Job, Office
from portal.web.id_parsing import parse_id

# Trigram indexes can't find shorter words. Names in other scripts have fewer letters.
MIN_NAME_LENGTH = 3
_MAX_MATCHES = 200
COMMON_NAME_COUNT = 20_000  # people; of more, jobs are looked through until a page is full
_MANY_JOBS = 1_000  # to send their IDs takes longer than to find out which are visible
_MAX_SPREAD_WORDS = 6  # each adds five subqueries
_NAME_FEATURES = {"applications", "candidates"}
_Term = tuple[str, Words, Words]  # as typed, and the words of a title and of an office


class CandidateMatch(NamedTuple):
    application: int  # primary key
    name: str


def named_applications(rights: Rights) -> QuerySet[Application]:
    """On open jobs."""
    viewer = rights.viewer
    if viewer is None:
        return Application.objects.none()
    return _list_named_applications(viewer.rule, viewer.ids, closed=False)


def _list_named_applications(
    rule: VisibilityRule, viewer_ids: Sequence[int], *, closed: bool
) -> QuerySet[Application]:
    """Visible applications whose candidate names may be read."""
    if "candidates" in rule.unavailable:
        return Application.objects.none()
    return rule.list_applications(viewer_ids, closed=closed)


def search_jobs(viewer: Viewer, query: str, *, closed: bool) -> tuple[str | None, Q | None]:
    """Search the connection's jobs; of candidates, only those whose names may be read match.
    Return which of the visible ones `is_found` finds, perhaps with others, and a condition for
    further ones if the name is common.

    The conditions are a union, so that each uses its own index; OR would scan all jobs. Each is
    limited to the connection, since matches of other customers would cost as much. They are looked
    up at once: a page asks for its rows, their number and more.
    """
    remote_id = parse_id(query)
    candidate_ids = _collect_candidate_ids(query, viewer)
    ids, count = _find_jobs(
        viewer.ids if candidate_ids else viewer.ids[:1],
        _parse_term(query),
        parse_words(query if may_be_name(query) else ""),
        () if remote_id is None else (remote_id,),
        (candidate_ids,) if candidate_ids else (),
        _parse_spread_words(query),
        rule=viewer.rule,
        closed=closed,
    )
    if ids and count > _MANY_JOBS and not viewer.rule.is_site_admin:
        ids = _keep_visible(ids, viewer, closed=closed)
    if candidate_ids is not None:
        return ids, None
    named = _list_named_applications(viewer.rule, viewer.ids, closed=closed)
    return ids, _has_candidate_named(query, named)


@collect_once
def _find_jobs(
    viewer_ids: tuple[int, ...],
    term: _Term,
    person: Words,
    remote_ids: tuple[int, ...],
    candidate_ids: tuple[str, ...],
    spread_words: tuple[_Term, ...],
    *,
    rule: VisibilityRule,
    closed: bool,
) -> QuerySet[Job, Any]:
    connection_id = viewer_ids[0]
    own_jobs = Job.objects.filter(connection=connection_id).order_by()
    is_person = match_words(("search_name",), person)
    team = AtsUser.objects.filter(is_person, connection=connection_id, teams__job__isnull=False)
    matches = [
        *_match_job_itself(own_jobs, term, connection_id),
        team.order_by().values("teams__job"),
    ]
    matches += [own_jobs.filter(remote_id=remote_id).values("pk") for remote_id in remote_ids]
    for ids in candidate_ids:
        named = _list_named_applications(rule, viewer_ids, closed=closed)
        is_named = IsOneOf(F("candidate_id"), Value(ids))
        matches.append(named.filter(is_named).order_by().values("job_id"))
    if spread_words:
        matches += _match_spread_words(own_jobs, term, spread_words, connection_id)
    return _union(matches)


def _keep_visible(ids: str, viewer: Viewer, *, closed: bool) -> str:
    # In Python: to plan with thousands of IDs takes PostgreSQL longer than to list visible ones.
    visible = frozenset(_list_visible_ids(viewer.ids, rule=viewer.rule, closed=closed))
    return format_ids(visible.intersection(parse_ids(ids)))


@compile_once
def _list_visible_ids(
    viewer_ids: tuple[int, ...], *, rule: VisibilityRule, closed: bool
) -> QuerySet[Job, int]:
    return rule.list_jobs(viewer_ids, closed=closed).order_by().values_list("pk", flat=True)


def is_found(ids: str | None) -> Q:
    return Q(IsOneOf(F("pk"), Value(ids)))


def matches_job_itself(jobs: QuerySet[Job], query: str, connection: Connection | None) -> bool:
    """Whether the search finds any of `jobs` by something other than a person's name."""
    if connection is None:
        return False
    own_jobs = Job.objects.filter(connection=connection).order_by()
    term, word_terms = _parse_term(query), _parse_spread_words(query)
    matches = _match_job_itself(own_jobs, term, connection.pk)
    if word_terms:
        matches += _match_spread_words(own_jobs, term, word_terms, connection.pk)
    return jobs.filter(is_in_any(matches)).exists()


def _parse_term(text: str) -> _Term:
    return text, parse_title(text), parse_words(text)


def _parse_spread_words(query: str) -> tuple[_Term, ...]:
    """Empty if there is only one word."""
    typed_words = query.split()[:_MAX_SPREAD_WORDS]
    return tuple(map(_parse_term, typed_words)) if len(typed_words) > 1 else ()


def _match_job_itself(
    own_jobs: QuerySet[Job], term: _Term, connection_id: int
) -> list[QuerySet[Any, Any]]:
    text, title_words, _ = term
    in_title = own_jobs.filter(match_title_words(text, title_words)).values("pk")
    return [in_title, *_match_beside_title(own_jobs, term, connection_id)]


def _match_beside_title(
    own_jobs: QuerySet[Job], term: _Term, connection_id: int
) -> list[QuerySet[Any, Any]]:
    text, _, office_words = term
    return [
        own_jobs.filter(requisition_id__icontains=text).values("pk"),
        _list_office_rows(office_words, connection_id).values("job_id"),
    ]


def _list_office_rows(office_words: Words, connection_id: int) -> QuerySet[Any]:
    """The rows that say that a job is in an office of that name."""
    is_named = match_words(("search_name",), office_words)
    offices = Office.objects.filter(is_named, connection=connection_id).order_by().values("pk")
    through: Any = Job.offices.through
    rows: QuerySet[Any] = through._default_manager.order_by()
    return rows.filter(_InSubqueryArray(F("office_id"), Subquery(offices)))


def _match_spread_words(
    own_jobs: QuerySet[Job], term: _Term, word_terms: Sequence[_Term], connection_id: int
) -> list[QuerySet[Any, Any]]:
    """Jobs that contain each word somewhere: “nurse berlin” is a title and an office. Those with
    all words in the title are left out if `term` finds them.
    """
    beside_title = [
        matches
        for word_term in word_terms
        for matches in _match_beside_title(own_jobs, word_term, connection_id)
    ]
    spread = own_jobs.filter(is_in_any(beside_title))
    in_title = own_jobs
    for text, title_words, office_words in word_terms:
        has_word = match_title_words(text, title_words)
        in_title = in_title.filter(has_word)
        rows = _list_office_rows(office_words, connection_id).filter(job=OuterRef("pk"))
        spread = spread.filter(has_word | Q(requisition_id__icontains=text) | Q(Exists(rows)))
    if len(term[1]) == len(word_terms):
        return [spread.values("pk")]
    return [spread.values("pk"), in_title.values("pk")]


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


def find_candidate_matches(
    jobs: Collection[int], query: str, viewer: Viewer, *, closed: bool
) -> Mapping[int, list[CandidateMatch]]:
    if not jobs or not is_searchable_name(query):
        return {}
    matches = defaultdict(list)
    rows = _find_candidates(
        viewer.ids, tuple(jobs), parse_words(query), rule=viewer.rule, closed=closed
    )
    for job, application, first, last, preferred, remote_id in rows:
        name = format_person_name(first, last, preferred) or format_unnamed(remote_id)
        matches[job].append(CandidateMatch(application, name))
    return matches


@compile_once
def _find_candidates(
    viewer_ids: tuple[int, ...],
    job_ids: tuple[int, ...],
    name_words: Words,
    *,
    rule: VisibilityRule,
    closed: bool,
) -> QuerySet[Application, tuple[Any, ...]]:
    named = _list_named_applications(rule, viewer_ids, closed=closed)
    people = _list_people(name_words, viewer_ids[0])
    matching = named.filter(job__in=job_ids, candidate__in=people)
    return matching.order_by("candidate__last_name", "candidate_id", "pk").values_list(
        "job_id",
        "pk",
        "candidate__first_name",
        "candidate__last_name",
        "candidate__preferred_name",
        "candidate__remote_id",
    )[:_MAX_MATCHES]


def is_searchable_name(query: str) -> bool:
    return count_letters(query) >= MIN_NAME_LENGTH or not query.isascii()


def _collect_candidate_ids(query: str, viewer: Viewer) -> str | None:
    """Empty if there are none, None if so many that looking through the jobs is faster."""
    if not is_searchable_name(query) or _NAME_FEATURES & viewer.rule.unavailable:
        return ""
    ids, count = _find_people(parse_words(query), viewer.ids[0])
    return None if count > COMMON_NAME_COUNT else ids or ""


@collect_once
def _find_people(name_words: Words, connection_id: int) -> QuerySet[Candidate, Any]:
    return _list_people(name_words, connection_id).values("pk")[: COMMON_NAME_COUNT + 1]


def _list_people(name_words: Words, connection_id: int) -> QuerySet[Candidate]:
    is_named = match_words(("search_name",), name_words)
    return Candidate.objects.filter(is_named, connection=connection_id).order_by()


def _has_candidate_named(query: str, named: QuerySet[Application]) -> Q:
    """Whether a job has such a candidate. As a value, not EXISTS, for which PostgreSQL would read
    all people of that name first; so it stops when a page is full.
    """
    on_job = named.filter(match_name("candidate__search_name", query), job=OuterRef("pk"))
    return Q(Exact(Subquery(on_job.order_by().values(_=Value(1))[:1]), 1))
