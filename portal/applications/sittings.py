"""Going through a requisition's applications one by one: the order, the place, the decisions.

The order is fixed when the sitting begins, so that "3 of 41" stays true while applications leave
the filter by what is decided. Who may see what is asked anew for each.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from django.db.models import QuerySet
from django.urls import reverse
from django.utils import timezone

from portal.accounts.models import Membership
from portal.applications.models import ApplicationAction, Habits, Sitting
from portal.applications.narrowing import list_words
from portal.core import readonly
from portal.mirror.models import Job

MOST = 1000


def begin(member: Membership, job: Job, order: Iterable[int], chosen: Mapping[str, Any]) -> Sitting:
    """Begin anew with these applications; an earlier sitting on the job ends."""
    values = {
        "order": list(order)[:MOST],
        "at": 0,
        "chosen": dict(chosen),
        "started_at": timezone.now(),
    }
    return Sitting.objects.update_or_create(membership=member, job=job, defaults=values)[0]


def going_on(member: Membership, job: Job) -> Sitting | None:
    """The sitting the person left, or is in."""
    return Sitting.objects.filter(membership=member, job=job).first()


def unfinished(member: Membership, job: Job) -> Sitting | None:
    """The sitting that the person can go on with."""
    sitting = going_on(member, job)
    return sitting if sitting is not None and sitting.at < len(sitting.order) else None


def begun_from(sitting: Sitting) -> str:
    """The address of the requisition's page, with the filter that was chosen there."""
    page = reverse("applications:of_job", args=[sitting.job_id])
    words = list_words(sitting.chosen)
    return f"{page}?{words}" if words else page


def go(sitting: Sitting, to: int) -> None:
    """Go to a place; one behind the last is the end. Kept, unless this is only a look."""
    sitting.at = min(max(0, to), len(sitting.order))
    if not readonly.holds():
        Sitting.objects.filter(pk=sitting.pk).update(at=sitting.at)


def decisions(sitting: Sitting) -> QuerySet[ApplicationAction]:
    """What the person did in this sitting, the newest first."""
    return ApplicationAction.objects.filter(
        membership_id=sitting.membership_id,
        application_id__in=sitting.order,
        queued_at__gte=sitting.started_at,
        batch=None,
    )


def habits_of(member: Membership) -> Habits:
    """How the person likes to review; not saved yet if they never said."""
    return Habits.objects.filter(membership=member).first() or Habits(membership=member)


def highlighted(text: str, words: str) -> list[tuple[str, bool]]:
    """The text in pieces, each with whether it is one of the words."""
    wanted = {word.strip() for word in words.split(",")} - {""}
    if not wanted:
        return [(text, False)]
    # The longest first: what is found first is taken, and "C" stands at the beginning of "C++".
    pattern = "|".join(_whole(word) for word in sorted(wanted, key=len, reverse=True))
    pieces = re.split(f"({pattern})", text, flags=re.IGNORECASE)
    return [(piece, place % 2 == 1) for place, piece in enumerate(pieces) if piece]


def _whole(word: str) -> str:
    """The pattern of the word by itself: "Go" is not in "Google". A sign at its edge parts it."""
    before = r"(?<!\w)" if re.match(r"\w", word) else ""
    after = r"(?!\w)" if re.search(r"\w\Z", word) else ""
    return f"{before}{re.escape(word)}{after}"
