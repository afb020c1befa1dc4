"""Saved views of a list: that of the requisitions, or of one requisition's applications."""

from __future__ import annotations

from dataclasses import dataclass

from django.db import transaction
from django.db.models import QuerySet

from portal.accounts.models import Membership
from portal.jobs.models import SavedView
from portal.sync.models import Job

MAX_SAVED_VIEWS = 20


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
        if default:
            self.set_default(view)
        return view

    @transaction.atomic
    def set_default(self, view: SavedView | None) -> None:
        self._views.filter(is_default=True).update(is_default=False)
        if view:
            self._views.filter(pk=view.pk).update(is_default=True)

    @property
    def _views(self) -> QuerySet[SavedView]:
        return SavedView.objects.filter(membership=self.member, job=self.job)
