"""Finds applications by the candidate's name, within milliseconds also among a million."""

from __future__ import annotations

from typing import NamedTuple

from django.db.models import Q, QuerySet

from portal.core.names.search_keys import match_name
from portal.entitlements.rules import Rights, applications_on_jobs, visible_jobs
from portal.jobs.job_list.search import is_searchable_name, named_applications
from portal.sync.models import Application, Candidate

MAX_FOUND = 40
_ENOUGH = 6
_MAX_NAMESAKES = 500


class NamedApplication(NamedTuple):
    pk: int
    first_name: str
    last_name: str
    preferred_name: str
    remote_id: int
    job_name: str
    stage_name: str


_COLUMNS = (
    "pk",
    "candidate__first_name",
    "candidate__last_name",
    "candidate__preferred_name",
    "candidate__remote_id",
    "job__name",
    "stage_name",
)


def find_named_applications(rights: Rights, query: str) -> list[NamedApplication]:
    """Some of the visible applications on open jobs whose candidate's name matches.

    From the names to the applications; if the name is so common that this finds too few that are
    visible, from the visible jobs. Either way, the database reads few rows.
    """
    if not is_searchable_name(query):
        return []
    visible = named_applications(rights)
    people = Candidate.objects.filter(
        match_name("search_name", query),
        connection=rights.match.connection,
        private=False,
        gone_at=None,
    )
    # In no order: the database stops when it has enough of a common name.
    namesakes = list(people.order_by().values_list("pk", flat=True)[: _MAX_NAMESAKES + 1])
    rows = _read_rows(visible.filter(candidate__in=namesakes))
    if len(rows) >= _ENOUGH or len(namesakes) <= _MAX_NAMESAKES:
        return rows
    jobs = visible_jobs(rights.member, member_rights=rights).order_by()
    on_jobs = applications_on_jobs(list(jobs.values_list("pk", flat=True)), rights)
    return _read_rows(on_jobs.filter(_match_candidate(query)))


def _match_candidate(query: str) -> Q:
    return match_name("candidate__search_name", query)


def _read_rows(applications: QuerySet[Application]) -> list[NamedApplication]:
    rows = applications.order_by().values_list(*_COLUMNS)[:MAX_FOUND]
    return [NamedApplication(*row) for row in rows]
