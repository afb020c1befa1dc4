"""Pins and saved views: what a person keeps for themselves."""

from __future__ import annotations

from dataclasses import replace

from django.db import transaction
from django.db.models import Q, QuerySet

from portal.accounts.models import Membership
from portal.jobs.models import Pin, SavedView
from portal.jobs.narrowing import Narrowing, addressed
from portal.mirror.models import Job

MOST_PINS = 20
MOST_VIEWS = 20


class TooMany(Exception):
    """The sentence says of what, and what to do."""


def pin(member: Membership, job: Job, seen: QuerySet[Job]) -> None:
    """Keep the job at the top. Raises TooMany.

    Only pins among `seen` count: what the member does not see, they could not take off.
    """
    if member.pins.filter(job__in=seen.order_by()).exclude(job=job).count() >= MOST_PINS:
        raise TooMany(f"{MOST_PINS} requisitions are pinned already. Take one of them off first.")
    Pin.objects.get_or_create(membership=member, job=job)


def unpin(member: Membership, job: Job) -> None:
    Pin.objects.filter(membership=member, job=job).delete()


def pins(member: Membership) -> list[int]:
    """The keys of the jobs that the member keeps at the top, in that order."""
    return list(member.pins.order_by("at", "id").values_list("job_id", flat=True))


def views(member: Membership) -> list[SavedView]:
    """The member's views, by name; the list opens with the one that is `default`."""
    return list(SavedView.objects.filter(membership=member))


def keepable(to: Narrowing, seen: QuerySet[Job]) -> Narrowing:
    """What of it a view keeps: words only where they stand in a requisition's title or ID.

    Others may be a candidate's name, which would outlast the candidate's erasure.
    """
    words = to.words
    of_a_job = Q(name__icontains=words) | Q(requisition_id__icontains=words)
    if not words or words.isdecimal() or seen.filter(of_a_job).exists():
        return to
    return addressed(replace(to, words=""))


@transaction.atomic
def save_view(member: Membership, name: str, query: str, *, default: bool) -> SavedView:
    """Keep a view; one of the same name is replaced. Raises TooMany."""
    views = SavedView.objects.filter(membership=member)
    if views.exclude(name=name).count() >= MOST_VIEWS:
        raise TooMany(f"{MOST_VIEWS} views are saved already. Delete one of them first.")
    view, _ = views.update_or_create(
        name=name, defaults={"membership": member, "query": query, "default": False}
    )
    if default:
        make_default(view)
    return view


@transaction.atomic
def make_default(view: SavedView | None, *, of: Membership | None = None) -> None:
    """Open the list with this view; None: with no view."""
    member = view.membership if view else of
    SavedView.objects.filter(membership=member, default=True).update(default=False)
    if view:
        SavedView.objects.filter(pk=view.pk).update(default=True)
