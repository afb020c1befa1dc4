"""Saved views of a list: that of the requisitions, or of one requisition's applications."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from django.db import transaction
from django.db.models import Case, Q, QuerySet, When
from django.utils import timezone

from portal.accounts.models import Membership
from portal.core.database.compiled_queries import compile_once
from portal.core.database.prepared_statements import use_prepared_statements
from portal.jobs.models import SavedView
from portal.sync.models import Job

MAX_SAVED_VIEWS = 20
MAX_NAME_LENGTH = 60
MAX_SHARED_VIEWS = 50  # of other people, shown with a list
SEARCH_NOT_SHARED_MESSAGE = (
    "This view has search terms, which may name a requisition that others can't see. Save it "
    "without them to share it."
)
VIEW_CHANGED_MESSAGE = "This view was changed or shared in the meantime. Try again."


class ViewNotShareable(Exception):
    """The message says why, for a person."""


class ViewLimitReached(Exception):
    """The message says how many views of a list a person may have."""


@dataclass(frozen=True)
class ViewQuery:
    """What a view would store of a list's query."""

    query: str
    is_empty: bool  # it would show the list as it is
    drops_search: bool = False  # the search terms may be a candidate's name


@dataclass(frozen=True)
class SavedViews:
    """A member's views of one list."""

    member: Membership
    job: Job | None = None  # None: the list of requisitions

    def list_all(self) -> list[SavedView]:
        return list(self._views)

    def is_full(self, name: str) -> bool:
        """Whether there is no room for a view of this name; a view of the same name is replaced."""
        return self._views.exclude(name=name).count() >= MAX_SAVED_VIEWS

    @transaction.atomic
    def save_view(self, name: str, query: str, *, default: bool) -> SavedView:
        """Create or replace the view of this name."""
        values = {"query": query, "is_default": False}
        view, _ = SavedView.objects.update_or_create(
            membership=self.member, job=self.job, name=name, defaults=values
        )
        if view.is_shared and view.has_search:
            self.unshare_view(view)
        if default:
            self.set_default(view)
        return view

    @transaction.atomic
    def set_default(self, view: SavedView | None) -> None:
        self._views.filter(is_default=True).update(is_default=False)
        if view:
            self._views.filter(pk=view.pk).update(is_default=True)

    @use_prepared_statements()
    def list_with_shared(self) -> tuple[list[SavedView], list[SavedView]]:
        """The member's own views, and those of the same list that others share."""
        views = (
            _find_own_and_shared(self.member.pk, self.job.pk)
            if self.job
            else _find_own_and_shared(self.member.pk)
        )
        own = [view for view in views if view.membership_id == self.member.pk]
        return own, views[len(own) :]

    def find_shared(self, pk: int) -> SavedView | None:
        return self._shared_views.filter(pk=pk).first()

    def share_view(self, view: SavedView) -> None:
        """Raises ViewNotShareable."""
        if view.has_search:
            raise ViewNotShareable(SEARCH_NOT_SHARED_MESSAGE)
        unchanged = self._views.filter(pk=view.pk, query=view.query, shared_at=None)
        if not unchanged.update(shared_at=timezone.now()) and not view.is_shared:
            raise ViewNotShareable(VIEW_CHANGED_MESSAGE)  # it may have search terms now

    def unshare_view(self, view: SavedView) -> None:
        self._views.filter(pk=view.pk).update(shared_at=None)

    def copy_view(self, view: SavedView) -> SavedView:
        """A view of one's own that others' changes no longer reach. Raises ViewLimitReached."""
        names = set(self._views.values_list("name", flat=True))
        if len(names) >= MAX_SAVED_VIEWS:
            raise ViewLimitReached(
                f"You can save up to {MAX_SAVED_VIEWS} views of a list. Delete one first."
            )
        return self.save_view(_find_free_name(view.name, names), view.query, default=False)

    @property
    def _shared_views(self) -> QuerySet[SavedView]:
        others = SavedView.objects.filter(job=self.job, shared_at__isnull=False)
        return others.exclude(membership=self.member)

    @property
    def _views(self) -> QuerySet[SavedView]:
        return SavedView.objects.filter(membership=self.member, job=self.job)


@compile_once
def _find_own_and_shared(member_id: int, job_id: int | None = None) -> QuerySet[SavedView]:
    """The member's own first."""
    is_own = Q(membership=member_id)
    views = SavedView.objects.filter(is_own | Q(shared_at__isnull=False), job=job_id)
    own_first = Case(When(is_own, then=0), default=1)
    ordered = views.select_related("membership__user").order_by(own_first, "name", "id")
    return ordered[: MAX_SAVED_VIEWS + MAX_SHARED_VIEWS]


def _find_free_name(name: str, taken: Collection[str]) -> str:
    """The name itself, or else with a number."""
    if name not in taken:
        return name
    suffixes = (f" ({number})" for number in range(2, MAX_SAVED_VIEWS + 2))
    candidates = (f"{name[: MAX_NAME_LENGTH - len(suffix)]}{suffix}" for suffix in suffixes)
    return next(candidate for candidate in candidates if candidate not in taken)
