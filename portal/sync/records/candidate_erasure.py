"""Erasure of candidates that Greenhouse anonymized, merged or deleted."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

from django.db import transaction
from django.db.models import Exists, F, OuterRef, QuerySet
from django.utils import timezone

from portal.audit.entries import record_entry
from portal.connections.models import Connection
from portal.core.hooks import Hook
from portal.sync.engine.upsert import get_request_time
from portal.sync.integrity import write_guard
from portal.sync.models import NO_FINGERPRINTS, Application, Candidate

_BLANK_FIELDS = dict.fromkeys(
    (
        *("first_name", "last_name", "preferred_name", "search_name"),
        *("company", "title", "search_details", "time_zone"),
    ),
    "",
)

# Called with the candidates' primary keys.
candidates_erased: Hook[[Sequence[int]], object] = Hook()


@transaction.atomic
def erase_candidates(connection: Connection, remote_ids: Iterable[int]) -> int:
    """Erase candidates that Greenhouse no longer has, and return how many became gone."""
    if not write_guard.is_write_allowed(connection):
        return 0
    # Emptied rows stay: past actions on their applications refer to them.
    now = timezone.now()
    rows = Candidate.objects.filter(connection=connection, remote_id__in=list(remote_ids))
    candidate_pks = list(rows.filter(erased_at=None).values_list("pk", flat=True))
    gone_count = rows.filter(gone_at=None).update(gone_at=now, changed_at=now, requested_at=now)
    if not candidate_pks:
        return gone_count
    Candidate.objects.filter(pk__in=candidate_pks).update(
        **_BLANK_FIELDS,
        contact_digests=[],
        erased_at=now,
        changed_at=now,
        requested_at=now,
        **NO_FINGERPRINTS,
    )
    _erase_related_data(candidate_pks)
    _record_erasure(connection, candidate_pks, "deleted or merged into another")
    return gone_count


@transaction.atomic
def mark_candidates_gone(connection: Connection, remote_ids: Iterable[int]) -> int:
    """Mark candidates missing from a complete list as gone, and return how many there were."""
    # A merge may have moved applications to another candidate: candidates with applications are
    # erased after these were read again (`erase_gone_candidates`), the others at once.
    missing = Candidate.objects.filter(connection=connection, remote_id__in=list(remote_ids))
    applications = Application.objects.filter(candidate=OuterRef("pk"), gone_at=None)
    waiting_pks = [*missing.filter(Exists(applications), gone_at=None).values_list("pk", flat=True)]
    now = timezone.now()
    gone_candidates = Candidate.objects.filter(pk__in=waiting_pks)
    gone_candidates.update(gone_at=now, changed_at=now, requested_at=get_request_time())
    other_ids = missing.exclude(pk__in=waiting_pks).values_list("remote_id", flat=True)
    return len(waiting_pks) + erase_candidates(connection, list(other_ids))


def erase_gone_candidates(gone: QuerySet[Candidate]) -> int:
    """Erase the gone candidates among these, and return how many there were."""
    erased_count = 0
    rows = gone.filter(gone_at__isnull=False, erased_at=None).order_by()
    by_connection: dict[int, list[int]] = defaultdict(list)
    for connection_id, remote_id in rows.values_list("connection", "remote_id"):
        by_connection[connection_id].append(remote_id)
    for connection in Connection.objects.filter(pk__in=by_connection):
        remote_ids = by_connection[connection.pk]
        for start in range(0, len(remote_ids), 500):
            chunk = remote_ids[start : start + 500]
            erase_candidates(connection, chunk)
            erased_count += len(chunk)
    return erased_count


def erase_anonymized_candidates(connection: Connection, remote_ids: Iterable[int]) -> None:
    """Erase related data of those of these changed candidates who just lost their names."""
    rows = Candidate.objects.filter(connection=connection, remote_id__in=list(remote_ids))
    candidate_pks = list(rows.filter(erased_at=F("changed_at")).values_list("pk", flat=True))
    if not candidate_pks:  # mostly: not worth a savepoint
        return
    with transaction.atomic():
        _erase_related_data(candidate_pks)
        _record_erasure(connection, candidate_pks, "anonymized")


def _erase_related_data(candidates: Sequence[int]) -> None:
    # The new request time keeps older responses, written later, from restoring the data.
    now = timezone.now()
    Application.objects.filter(candidate__in=candidates).update(
        answers=[], custom={}, **NO_FINGERPRINTS, changed_at=now, requested_at=now
    )
    candidates_erased.run(candidates)


def _record_erasure(connection: Connection, candidates: Sequence[int], how: str) -> None:
    record_entry(
        "candidate.erased",
        f"erased the personal data of {len(candidates)} candidate(s) that Greenhouse {how}",
        organization=connection.organization,
        after={"candidates": list(candidates)[:200]},
    )
