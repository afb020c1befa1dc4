"""Erases what people typed about erased candidates; the decisions stay, and so do their seals."""

from __future__ import annotations

from collections.abc import Sequence

from django.db.models import QuerySet

from portal.decisions import seal
from portal.decisions.models import Decision
from portal.sync.models import Application

_CHUNK_SIZE = 500
_ERASED_FIELDS = ("free_text", "free_text_salt", "erased_at", "erasure_seal")


def erase_decision_texts(candidates: Sequence[int]) -> None:
    """Runs after the actions were emptied: a worker that settles one of them has its row locked
    until its decision is stored, so this finds it.
    """
    applications = Application.objects.filter(candidate__in=candidates).order_by()
    for organization_id, remote_ids in _group_by_organization(applications).items():
        rows = Decision.objects.filter(
            organization_id=organization_id, application_remote_id__in=remote_ids, erased_at=None
        ).order_by("pk")
        while chunk := list(rows.select_for_update()[:_CHUNK_SIZE]):
            for decision in chunk:
                seal.erase_free_text(decision)
            Decision.objects.bulk_update(chunk, _ERASED_FIELDS)


def _group_by_organization(applications: QuerySet[Application]) -> dict[int, list[int]]:
    groups: dict[int, list[int]] = {}
    rows = applications.values_list("connection__organization_id", "remote_id")
    for organization_id, remote_id in rows:
        groups.setdefault(organization_id, []).append(remote_id)
    return groups
