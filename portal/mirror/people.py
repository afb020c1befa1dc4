"""What happens here when Greenhouse anonymises, merges or deletes a candidate."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence

from django.db import transaction
from django.db.models import Exists, F, OuterRef, QuerySet
from django.utils import timezone

from portal.audit.record import record
from portal.connections.models import Connection
from portal.mirror import guard
from portal.mirror.models import Application, Candidate
from portal.mirror.upsert import asking

_NOTHING = {"first_name": "", "last_name": "", "company": "", "title": ""}

_also: list[Callable[[Sequence[int]], object]] = []


def also_erase(forget: Callable[[Sequence[int]], object]) -> None:
    """Have `forget` called with our keys of erased candidates: for rooms that keep more of them."""
    _also.append(forget)


@transaction.atomic
def erase(connection: Connection, remote_ids: Iterable[int]) -> int:
    """Erase what is here of candidates that Greenhouse no longer has; gives how many there were.

    The rows stay, empty and gone, so that what was done on their applications keeps its place. The
    audit record tells that it happened, and nothing about whom.
    """
    if not guard.allows(connection):
        return 0
    now = timezone.now()
    rows = Candidate.objects.filter(connection=connection, remote_id__in=list(remote_ids))
    here = list(rows.filter(erased_at=None).values_list("pk", flat=True))
    gone = rows.filter(gone_at=None).update(gone_at=now, changed_at=now, asked_at=now)
    if not here:
        return gone
    Candidate.objects.filter(pk__in=here).update(
        **_NOTHING, erased_at=now, changed_at=now, asked_at=now, fingerprint=None
    )
    _forget_what_they_told(here)
    _tell(connection, here, "deleted or merged into another")
    return gone


@transaction.atomic
def leave(connection: Connection, remote_ids: Iterable[int]) -> int:
    """Mark gone whom a complete list lacked; gives how many there were. Who has applications here
    may have been merged into another, who has them by now: they are erased once these were read
    again (`erase_gone`), the others at once.
    """
    lost = Candidate.objects.filter(connection=connection, remote_id__in=list(remote_ids))
    theirs = Application.objects.filter(candidate=OuterRef("pk"), gone_at=None)
    waiting = [*lost.filter(Exists(theirs), gone_at=None).values_list("pk", flat=True)]
    now = timezone.now()
    left = Candidate.objects.filter(pk__in=waiting)
    left.update(gone_at=now, changed_at=now, asked_at=asking())
    others = lost.exclude(pk__in=waiting).values_list("remote_id", flat=True)
    return len(waiting) + erase(connection, list(others))


def erase_gone(gone: QuerySet[Candidate]) -> int:
    """Erase those of these who are gone and not erased yet; gives how many there were."""
    erased = 0
    rows = gone.filter(gone_at__isnull=False, erased_at=None).order_by()
    by_connection: dict[int, list[int]] = defaultdict(list)
    for connection_id, remote_id in rows.values_list("connection", "remote_id"):
        by_connection[connection_id].append(remote_id)
    for connection in Connection.objects.filter(pk__in=by_connection):
        theirs = by_connection[connection.pk]
        for start in range(0, len(theirs), 500):
            chunk = theirs[start : start + 500]
            erase(connection, chunk)
            erased += len(chunk)
    return erased


@transaction.atomic
def anonymised(connection: Connection, remote_ids: Iterable[int]) -> None:
    """Of these changed candidates, some may have lost their names just now: erase the rest too."""
    rows = Candidate.objects.filter(connection=connection, remote_id__in=list(remote_ids))
    here = list(rows.filter(erased_at=F("changed_at")).values_list("pk", flat=True))
    if not here:
        return
    _forget_what_they_told(here)
    _tell(connection, here, "anonymised")


def _forget_what_they_told(candidates: Sequence[int]) -> None:
    """What was told before this moment, and is written after it, does not bring them back."""
    now = timezone.now()
    Application.objects.filter(candidate__in=candidates).update(
        answers=[], custom={}, fingerprint=None, changed_at=now, asked_at=now
    )
    for forget in _also:
        forget(candidates)


def _tell(connection: Connection, candidates: Sequence[int], how: str) -> None:
    """The receipt: how many, and our own keys."""
    record(
        "mirror.erased",
        f"erased the personal data of {len(candidates)} candidate(s) that Greenhouse {how}",
        organization=connection.organization,
        after={"candidates": list(candidates)[:200]},
    )
