"""Review sessions. The order is fixed at the start, so “3 of 41” stays true while decisions take
applications out of the filter; visibility is checked again for each application.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Q, QuerySet
from django.urls import reverse
from django.utils import timezone

from portal.accounts.models import Membership
from portal.applications.models import ApplicationAction, ReviewPreferences, ReviewSession
from portal.applications.review.queues import MAX_APPLICATIONS, Key, ReviewQueue, find_key
from portal.core.database import read_only
from portal.core.database.compiled_queries import compile_once
from portal.core.database.prepared_statements import use_prepared_statements
from portal.entitlements.rules import (
    Rights,
    VisibilityRule,
    visible_applications,
    visible_jobs,
)
from portal.sync.models import Job

MAX_UNFINISHED = 10  # on the page of reviews
MAX_READ_DECISIONS, MAX_LISTED_DECISIONS = 300, 30


@dataclass(frozen=True)
class ReviewPlace:
    """Where a person is among those applications of a session that they may still see."""

    application_ids: list[int]
    places: list[int]  # in the session's list, of the applications that are visible
    position: int  # in the session's list; its length at the end

    @property
    def application_id(self) -> int | None:
        return None if self.at_end else self.application_ids[self.position]

    @property
    def at_end(self) -> bool:
        return self.position >= len(self.application_ids)

    @property
    def number(self) -> int:
        return sum(place < self.position for place in self.places) + 1

    @property
    def total(self) -> int:
        return len(self.places)

    @property
    def lost_count(self) -> int:
        """How many have left the person's rights, or Greenhouse, since the session began."""
        return len(self.application_ids) - len(self.places)

    @property
    def previous(self) -> int | None:
        """As in the URL, where the first position is 1."""
        earlier = [place for place in self.places if place < self.position]
        return earlier[-1] + 1 if earlier else None

    @property
    def next(self) -> int:
        return self._next_position + 1

    @property
    def next_application_id(self) -> int | None:
        position = self._next_position
        return self.application_ids[position] if position < len(self.application_ids) else None

    @property
    def _next_position(self) -> int:
        later = (place for place in self.places if place > self.position)
        return next(later, len(self.application_ids))


def start_review_session(queue: ReviewQueue) -> ReviewSession | None:
    """Replace an earlier session on the same source; None if there is nothing to review."""
    member = queue.rights.member
    after = find_start(queue)
    keys = queue.load_keys(after)
    if not keys:
        return None
    now = timezone.now()
    values = {
        "application_ids": [pk for _, pk in keys[:MAX_APPLICATIONS]],
        "is_cut": len(keys) > MAX_APPLICATIONS,
        "position": 0,
        "filters": queue.get_stored_filters(),
        "after": [after[0].isoformat(), after[1]] if after else [],
        "started_at": now,
        "moved_at": now,
    }
    return ReviewSession.objects.update_or_create(
        membership=member, source=queue.source, job=queue.job, view=queue.view, defaults=values
    )[0]


def find_start(queue: ReviewQueue) -> Key | None:
    """After which application the next session on this source begins."""
    earlier = find_session(queue.rights.member, queue)
    return _find_end(earlier, queue) if earlier is not None else None


def _find_end(earlier: ReviewSession, queue: ReviewQueue) -> Key | None:
    """Where the next list begins: after what was passed among new applications, or after a list
    that was too long for one session. Otherwise at the beginning.
    """
    is_finished = earlier.position >= len(earlier.application_ids)
    if queue.source == ReviewSession.Source.NEW:
        passed = earlier.application_ids[: earlier.position]
    elif queue.is_continued and earlier.is_cut and is_finished:
        passed = earlier.application_ids
    else:
        return None
    return find_key(queue.rights, queue.source, passed) or _get_earlier_end(earlier)


def _get_earlier_end(earlier: ReviewSession) -> Key | None:
    return (datetime.fromisoformat(earlier.after[0]), earlier.after[1]) if earlier.after else None


def restart_session(review_session: ReviewSession) -> None:
    """The same applications in the same order, from the first."""
    now = timezone.now()
    ReviewSession.objects.filter(pk=review_session.pk).update(
        position=0, started_at=now, moved_at=now
    )


def find_session(member: Membership, queue: ReviewQueue) -> ReviewSession | None:
    job_ids = (queue.job.pk,) if queue.job is not None else ()
    view_ids = (queue.view.pk,) if queue.view is not None else ()
    return next(iter(_find_sessions(member.pk, queue.source, job_ids, view_ids)), None)


@use_prepared_statements()
@compile_once
def _find_sessions(
    member_id: int, source: str, job_ids: tuple[int, ...], view_ids: tuple[int, ...]
) -> QuerySet[ReviewSession]:
    """Of at most one requisition or saved view."""
    [job_id], [view_id] = job_ids or (None,), view_ids or (None,)
    sessions = ReviewSession.objects.filter(
        membership=member_id, source=source, job=job_id, view=view_id
    )
    return sessions.order_by("pk")[:1]


def get_own_session(rights: Rights, pk: int) -> ReviewSession | None:
    """The person's own; that of a requisition only while they may see it. What it lists still has
    to be checked.
    """
    return _list_own_sessions(rights).filter(pk=pk).first()


def _list_own_sessions(rights: Rights) -> QuerySet[ReviewSession]:
    return _select_sessions(visible_jobs(rights.member, member_rights=rights), rights.member.pk)


def _select_sessions(jobs: QuerySet[Job], member_id: int) -> QuerySet[ReviewSession]:
    return ReviewSession.objects.filter(
        Q(job=None) | Q(job__in=jobs), membership=member_id
    ).select_related("job", "view__job")


@compile_once
def _find_latest_sessions(
    viewer_ids: tuple[int, ...], member_id: int, *, rule: VisibilityRule
) -> QuerySet[ReviewSession]:
    own = _select_sessions(rule.list_jobs(viewer_ids), member_id)
    return own.order_by("-moved_at", "-pk")[:MAX_UNFINISHED]


def load_place(review_session: ReviewSession, rights: Rights) -> ReviewPlace:
    """One query for the whole session: at most `MAX_APPLICATIONS` IDs."""
    return build_place(review_session, _find_visible_ids(review_session.application_ids, rights))


def build_place(review_session: ReviewSession, visible_ids: set[int]) -> ReviewPlace:
    ids = review_session.application_ids
    places = [place for place, pk in enumerate(ids) if pk in visible_ids]
    position = next((place for place in places if place >= review_session.position), len(ids))
    return ReviewPlace(ids, places, position)


def _find_visible_ids(
    application_ids: Collection[int], rights: Rights, *, closed: bool = False
) -> set[int]:
    if not application_ids:
        return set()
    visible = visible_applications(rights.member, member_rights=rights, closed=closed)
    return set(visible.filter(pk__in=application_ids).order_by().values_list("pk", flat=True))


def list_unfinished(rights: Rights) -> list[tuple[ReviewSession, ReviewPlace]]:
    """Sessions that still have an application the person may see, the latest first."""
    viewer = rights.viewer
    if viewer is None:
        return []
    latest = _find_latest_sessions(viewer.ids, rights.member.pk, rule=viewer.rule)
    listed_ids = {pk for row in latest for pk in row.application_ids}
    visible_ids = _find_visible_ids(listed_ids, rights)
    pairs = [(row, build_place(row, visible_ids)) for row in latest]
    return [(row, place) for row, place in pairs if not place.at_end]


def get_unfinished_session(
    job: Job, rights: Rights
) -> tuple[ReviewSession, ReviewPlace] | tuple[None, None]:
    """Of one requisition."""
    queue = ReviewQueue(rights, ReviewSession.Source.JOB, job=job)
    review_session = find_session(rights.member, queue)
    if review_session is None:
        return None, None
    place = load_place(review_session, rights)
    return (None, None) if place.at_end else (review_session, place)


def build_return_url(review_session: ReviewSession) -> str:
    """The list that the review came from."""
    job_id = review_session.job_id or (review_session.view and review_session.view.job_id)
    if job_id is None:
        return reverse("applications:reviews")
    url = reverse("applications:job_detail", args=[job_id])
    query = review_session.filters.get("query", "")
    return f"{url}?{query}" if query else url


def build_review_url(review_session: ReviewSession, position: int | None = None) -> str:
    """`position` counts from 1."""
    url = reverse("applications:review", args=[review_session.pk])
    return url if position is None else f"{url}?position={position}"


def move_to_position(review_session: ReviewSession, position: int) -> None:
    """The last position plus one is the end. Read-only mode saves nothing."""
    position = min(max(0, position), len(review_session.application_ids))
    if position == review_session.position:
        return
    review_session.position = position
    if not read_only.is_read_only():
        ReviewSession.objects.filter(pk=review_session.pk).update(
            position=position, moved_at=timezone.now()
        )


def move_past(review_session: ReviewSession, application_pk: int) -> None:
    """To the application after this one, if it is in the session."""
    if application_pk in review_session.application_ids:
        move_to_position(review_session, review_session.application_ids.index(application_pk) + 1)


def list_decisions(review_session: ReviewSession) -> QuerySet[ApplicationAction]:
    """The person's own actions since the session began, newest first, without those that undo
    another. On other applications, too.
    """
    return ApplicationAction.objects.filter(
        ApplicationAction.IS_DECISION,
        membership_id=review_session.membership_id,
        queued_at__gte=review_session.started_at,
        batch=None,
        undoes=None,
    )


@dataclass(frozen=True)
class ShownDecisions:
    actions: list[ApplicationAction]
    lost: ApplicationAction | None  # the latest, if its application left the person's access


def list_shown_decisions(review_session: ReviewSession, rights: Rights) -> ShownDecisions:
    """The newest decisions, and those that can be undone next if they are older. Only those on
    applications that the person may see.
    """
    actions = list_decisions(review_session).select_related(
        "application__candidate", "application__job", "application__stage", "membership__user"
    )
    latest = actions.prefetch_related("undone_by")[:MAX_READ_DECISIONS]
    session_ids = set(review_session.application_ids)
    own = [action for action in latest if action.application_id in session_ids]
    own_ids = {action.application_id for action in own}
    visible_ids = _find_visible_ids(own_ids, rights, closed=True)
    shown = [action for action in own if action.application_id in visible_ids]
    newest = shown[:MAX_LISTED_DECISIONS]
    older = [action for action in shown[MAX_LISTED_DECISIONS:] if _is_standing(action)]
    lost = own[0] if own and own[0].application_id not in visible_ids else None
    return ShownDecisions(newest + older[:MAX_LISTED_DECISIONS], lost)


def _is_standing(action: ApplicationAction) -> bool:
    """Whether it had, or may have, an effect and was not undone."""
    ineffective = ApplicationAction.INEFFECTIVE_STATUSES
    return action.status not in ineffective and all(
        undo.status in ineffective for undo in action.undone_by.all()
    )


def get_review_preferences(member: Membership) -> ReviewPreferences:
    """Saved preferences, or unsaved defaults."""
    return ReviewPreferences.objects.filter(membership=member).first() or ReviewPreferences(
        membership=member
    )
