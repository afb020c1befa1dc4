"""What a review may go through: lists across requisitions, a saved view, or one requisition.

A list holds at most `MAX_APPLICATIONS`. It is read in the order of an index, so that it costs the
same however many applications there are; the next session on the same source goes on after it.
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice
from typing import Any

from django.db.models import Case, Exists, F, OuterRef, Q, QuerySet, When
from django.http import QueryDict
from django.utils import timezone

from integrations.ats.types import ApplicationStatus
from portal.accounts.models import Membership
from portal.applications.models import ReviewSession
from portal.applications.page.application_list import build_application_list
from portal.applications.page.filters import drop_search
from portal.core.database.compiled_queries import compile_once
from portal.entitlements.rules import (
    Rights,
    Viewer,
    VisibilityRule,
    visible_applications,
    visible_jobs,
)
from portal.jobs.job_list.filters import filter_jobs, parse_filters
from portal.jobs.job_list.rows import NEW_APPLICATION_PERIOD
from portal.jobs.models import LastViewed, SavedView
from portal.sync.models import Application, Job

MAX_APPLICATIONS = 1000
MAX_VIEWS = 200  # listed
WAITING_PERIOD = timedelta(days=7)

Source = ReviewSession.Source
# Of the lists across requisitions: the time that orders each.
_TIME_COLUMNS: dict[str, str] = {
    Source.DUE: "decision_needed_at",
    Source.NEW: "first_seen_at",
    Source.WAITING: "entered_stage_at",
}
Key = tuple[datetime, int]  # the time that orders a list, and our ID


@dataclass(frozen=True)
class ReviewQueue:
    """A source of reviews, for one person. `job` and `view` must be theirs to see."""

    rights: Rights
    source: str
    job: Job | None = None
    view: SavedView | None = None
    query: str = ""  # of a requisition's list

    @property
    def label(self) -> str:
        if self.job is not None:
            return self.job.name
        return self.view.name if self.view is not None else str(Source(self.source).label)

    def load_keys(self, after: Key | None = None) -> list[Key]:
        """At most one more than fits a session, in order."""
        viewer = self.rights.viewer
        if viewer is None:
            return []
        if self.source == Source.NEW:
            return _load_new(viewer, self.rights.member, after)
        if self.source == Source.WAITING:
            return _load_waiting(viewer, after)
        if self.source == Source.DUE:
            return _load_due(viewer, after)
        if (job := self._get_listed_job()) is not None:
            return _load_job_list(job, self.rights, self._get_list_query())
        return _load_view(self.view, self.rights, after) if self.view is not None else []

    @property
    def is_continued(self) -> bool:
        """Whether its next session goes on where the last one ended."""
        return self._get_listed_job() is None

    def get_stored_filters(self) -> dict[str, Any]:
        """The canonical query of a requisition's list, without search terms but whether there
        were any.
        """
        job = self._get_listed_job()
        if job is None:
            return {"query": ""}
        query = QueryDict(self._get_list_query())
        filters = build_application_list(job, self.rights, query).filters
        return {"query": drop_search(filters).query, "searched": bool(filters.search)}

    def _get_listed_job(self) -> Job | None:
        return self.job or (self.view.job if self.view is not None else None)

    def _get_list_query(self) -> str:
        return self.view.query if self.view is not None else self.query


def find_queue(rights: Rights, source: str, view_pk: int | None = None) -> ReviewQueue | None:
    """None if there is no such source, or it is not the person's to see."""
    if source in _TIME_COLUMNS:
        queue = ReviewQueue(rights, source)
        return None if explain_unavailable(queue) else queue
    if source != Source.VIEW or view_pk is None:
        return None
    view = _list_views(rights).filter(pk=view_pk).first()
    if view is None or view.shows_closed:
        return None
    return ReviewQueue(rights, Source.VIEW, view=view)


def list_view_queues(rights: Rights) -> list[ReviewQueue]:
    """Saved views of the requisitions and of those that the person may see, their own first."""
    return [
        ReviewQueue(rights, Source.VIEW, view=view)
        for view in _load_views(rights)
        if not view.shows_closed
    ]


def _load_views(rights: Rights) -> list[SavedView]:
    viewer, member = rights.viewer, rights.member
    if viewer is None:
        return list(_list_views(rights)[:MAX_VIEWS])
    return _find_views(viewer.ids, member.pk, rule=viewer.rule)


@compile_once
def _find_views(
    viewer_ids: tuple[int, ...], member_id: int, *, rule: VisibilityRule
) -> QuerySet[SavedView]:
    return _select_views(rule.list_jobs(viewer_ids), member_id)[:MAX_VIEWS]


def _list_views(rights: Rights) -> QuerySet[SavedView]:
    return _select_views(visible_jobs(rights.member, member_rights=rights), rights.member.pk)


def _select_views(jobs: QuerySet[Job], member_id: int) -> QuerySet[SavedView]:
    """Their own and those that others share."""
    is_own = Q(membership=member_id)
    views = SavedView.objects.filter(
        Q(job=None) | Q(job__in=jobs), is_own | Q(shared_at__isnull=False)
    )
    own_first = Case(When(is_own, then=0), default=1)
    return views.select_related("job", "membership__user").order_by(own_first, "name", "pk")


def explain_unavailable(queue: ReviewQueue) -> str:
    """Why the list can't be built; empty if it can."""
    unavailable = queue.rights.features.unavailable
    if "applications" in unavailable:
        return "The Greenhouse credential can't read applications."
    if queue.source == Source.WAITING and "stage_history" in unavailable:
        return "The Greenhouse credential can't read how long applications have been in a stage."
    return ""


def explain_unknown(rights: Rights) -> str:
    """Why nothing is due although applications may need a decision; empty if none does."""
    jobs = visible_jobs(rights.member, member_rights=rights).order_by()
    if not jobs.filter(decision_unknown__gt=0).exists():
        return ""
    return "Unknown: Greenhouse doesn't say which applications need a decision."


def find_key(rights: Rights, source: str, application_ids: Sequence[int]) -> Key | None:
    """The last of these applications in the order of the source; None if none is left."""
    column = _TIME_COLUMNS.get(source, "first_seen_at")
    visible = visible_applications(rights.member, member_rights=rights, closed=True)
    rows = visible.filter(pk__in=application_ids).exclude(**{column: None})
    return rows.order_by(f"-{column}", "-pk").values_list(column, "pk").first()


def _list_active(rule: VisibilityRule, viewer_ids: Sequence[int]) -> QuerySet[Application]:
    visible = rule.list_applications(viewer_ids)
    return visible.filter(status=ApplicationStatus.ACTIVE, connection=viewer_ids[0]).order_by()


def _load_new(viewer: Viewer, member: Membership, after: Key | None) -> list[Key]:
    """The oldest first. As in the list of requisitions: those since the person last opened the
    requisition, or if they never did, those of the last days.
    """
    rule, place = viewer.rule, after or ()
    new_since = timezone.now() - NEW_APPLICATION_PERIOD
    since_viewed = _find_since_viewed(viewer.ids, member.pk, *place, rule=rule)
    never_viewed = _find_never_viewed(viewer.ids, member.pk, new_since, *place, rule=rule)
    return list(islice(heapq.merge(since_viewed, never_viewed), MAX_APPLICATIONS + 1))


@compile_once
def _find_since_viewed(
    viewer_ids: tuple[int, ...], member_id: int, *after: Any, rule: VisibilityRule
) -> QuerySet[Application, Key]:
    since_viewed = _list_active(rule, viewer_ids).filter(
        job__last_views__membership=member_id,
        first_seen_at__gt=F("job__last_views__viewed_at"),
    )
    return _order_keys(since_viewed, "first_seen_at", after)


@compile_once
def _find_never_viewed(
    viewer_ids: tuple[int, ...],
    member_id: int,
    new_since: datetime,
    *after: Any,
    rule: VisibilityRule,
) -> QuerySet[Application, Key]:
    last_views = LastViewed.objects.filter(membership=member_id)
    never_viewed = _list_active(rule, viewer_ids).filter(
        ~Exists(last_views.filter(job=OuterRef("job_id"))), applied_at__gt=new_since
    )
    return _order_keys(never_viewed, "first_seen_at", after)


def _load_waiting(viewer: Viewer, after: Key | None) -> list[Key]:
    """Those who have waited longest first."""
    long_ago = timezone.now() - WAITING_PERIOD
    return _find_waiting(viewer.ids, long_ago, *(after or ()), rule=viewer.rule)


@compile_once
def _find_waiting(
    viewer_ids: tuple[int, ...], long_ago: datetime, *after: Any, rule: VisibilityRule
) -> QuerySet[Application, Key]:
    waiting = _list_active(rule, viewer_ids).filter(entered_stage_at__lte=long_ago)
    return _order_keys(waiting, "entered_stage_at", after)


def _load_due(viewer: Viewer, after: Key | None) -> list[Key]:
    """Those who need a decision, in the order in which their answers are due."""
    return _find_due(viewer.ids, *(after or ()), rule=viewer.rule)


@compile_once
def _find_due(
    viewer_ids: tuple[int, ...], *after: Any, rule: VisibilityRule
) -> QuerySet[Application, Key]:
    undecided = _list_active(rule, viewer_ids).filter(decision_needed_at__isnull=False)
    return _order_keys(undecided, "decision_needed_at", after)


def _load_view(view: SavedView, rights: Rights, after: Key | None) -> list[Key]:
    """Active applications of the requisitions in the view, the oldest first."""
    jobs = filter_jobs(parse_filters(QueryDict(view.query)), rights).order_by()
    if rights.viewer is None:
        return []
    applications = _list_active(rights.viewer.rule, rights.viewer.ids).filter(job__in=jobs)
    return list(_order_keys(applications, "first_seen_at", after or ()))


def _order_keys(
    applications: QuerySet[Application], column: str, after: Key | tuple[()]
) -> QuerySet[Application, Key]:
    if after:
        later = Q(**{f"{column}__gt": after[0]}) | Q(**{column: after[0]}, pk__gt=after[1])
        applications = applications.filter(later, **{f"{column}__gte": after[0]})
    keys = applications.order_by(column, "pk").values_list(column, "pk")
    return keys[: MAX_APPLICATIONS + 1]


def _load_job_list(job: Job, rights: Rights, query: str) -> list[Key]:
    """In the order that the list's page has."""
    application_list = build_application_list(job, rights, QueryDict(query))
    keys = application_list.matching.values_list("first_seen_at", "pk")
    return list(keys[: MAX_APPLICATIONS + 1])
