"""Pins and saved views of a member."""

from __future__ import annotations

from dataclasses import replace

from django.db import transaction
from django.db.models import Q, QuerySet

from portal.accounts.models import Membership
from portal.jobs.job_list.filters import JobFilters, add_query
from portal.jobs.models import Pin, SavedView
from portal.sync.models import Job

MAX_PINS = 20
MAX_SAVED_VIEWS = 20


class LimitReached(Exception):
    """The message names the limit and what to do."""


def pin_job(member: Membership, job: Job, visible: QuerySet[Job]) -> None:
    """Raises LimitReached. Only pins in `visible` count: others could not be removed."""
    if member.pins.filter(job__in=visible.order_by()).exclude(job=job).count() >= MAX_PINS:
        raise LimitReached(f"You can pin up to {MAX_PINS} requisitions. Unpin one first.")
    Pin.objects.get_or_create(membership=member, job=job)


def unpin_job(member: Membership, job: Job) -> None:
    Pin.objects.filter(membership=member, job=job).delete()


def list_pinned_job_ids(member: Membership) -> list[int]:
    return list(member.pins.order_by("pinned_at", "id").values_list("job_id", flat=True))


def list_saved_views(member: Membership) -> list[SavedView]:
    return list(SavedView.objects.filter(membership=member))


def strip_candidate_search(filters: JobFilters, visible: QuerySet[Job]) -> JobFilters:
    """Drop search terms that may be a candidate's name, which would outlast its erasure."""
    search = filters.search
    in_job = Q(name__icontains=search) | Q(requisition_id__icontains=search)
    if not search or search.isdecimal() or visible.filter(in_job).exists():
        return filters
    return add_query(replace(filters, search=""))


@transaction.atomic
def save_view(member: Membership, name: str, query: str, *, default: bool) -> SavedView:
    """Create or replace the view of this name. Raises LimitReached."""
    views = SavedView.objects.filter(membership=member)
    if views.exclude(name=name).count() >= MAX_SAVED_VIEWS:
        raise LimitReached(f"You can save up to {MAX_SAVED_VIEWS} views. Delete one first.")
    view, _ = views.update_or_create(
        name=name, defaults={"membership": member, "query": query, "is_default": False}
    )
    if default:
        set_default_view(view)
    return view


@transaction.atomic
def set_default_view(view: SavedView | None, *, owner: Membership | None = None) -> None:
    """Make `view` the default, or none of `owner`'s views."""
    member = view.membership if view else owner
    SavedView.objects.filter(membership=member, is_default=True).update(is_default=False)
    if view:
        SavedView.objects.filter(pk=view.pk).update(is_default=True)
