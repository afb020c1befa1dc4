"""Exports a candidate's data, and erases it once Greenhouse has erased the candidate."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from django.utils import timezone

from integrations.ats.client_context import Lane
from integrations.ats.errors import AtsError
from portal.applications.models import ApplicationAction
from portal.audit.models import Entry
from portal.connections.client import open_interactive_provider
from portal.connections.models import Connection
from portal.core.secrets.secret_field import SecretUnreadable
from portal.decisions.models import Decision
from portal.privacy import related_rows
from portal.sync.models import Application, Candidate
from portal.sync.records import candidate_erasure, record_refresh


class CandidateStillInGreenhouse(Exception):
    """Rows erased here alone would return with the next sync."""


class GreenhouseCheckFailed(Exception):
    """The message says why Greenhouse could not be asked, for a person."""


def find_candidate(connection: Connection | None, remote_id: int) -> Candidate | None:
    return Candidate.objects.filter(connection=connection, remote_id=remote_id).first()


def export_candidate(candidate: Candidate) -> dict[str, Any]:
    applications = Application.objects.filter(candidate=candidate).select_related("job")
    actions = ApplicationAction.objects.filter(application__candidate=candidate)
    return {
        "generated_at": timezone.now(),
        "candidate": related_rows.serialize_row(candidate),
        "applications": [
            {**related_rows.serialize_row(row), "job": row.job.name if row.job else None}
            for row in applications.order_by("id")
        ],
        "done_with_them": [
            {
                "at": row.queued_at,
                "what": row.get_kind_display(),
                "outcome": row.outcome,
                "notes": row.notes,
            }
            for row in actions.order_by("id")
        ],
        "decisions_recorded": [
            related_rows.serialize_row(row) for row in _list_decisions(candidate)
        ],
    }


def _list_decisions(candidate: Candidate) -> QuerySet[Decision]:
    applications = Application.objects.filter(candidate=candidate).order_by()
    return Decision.objects.filter(
        organization=candidate.connection.organization_id,
        application_remote_id__in=applications.values("remote_id"),
    )


def erase_candidate(candidate: Candidate, *, patience: float | None = None) -> Entry:
    """Return the receipt. `patience` is the seconds that a web request may wait for Greenhouse.
    Raises CandidateStillInGreenhouse or GreenhouseCheckFailed.
    """
    connection = candidate.connection
    try:
        refreshed = _refresh_candidate(connection, candidate.remote_id, patience)
    except AtsError as error:
        raise GreenhouseCheckFailed(error.sentence) from error
    except SecretUnreadable as error:
        raise GreenhouseCheckFailed("There is no credential to ask Greenhouse with.") from error
    if refreshed is not None and (refreshed.first_name or refreshed.last_name):
        raise CandidateStillInGreenhouse
    if refreshed is not None and refreshed.erased_at is None:
        # It never had a name, so the refresh saw no erasure.
        candidate_erasure.erase_candidates(connection, [candidate.remote_id])
    return _get_receipt(candidate)


def _refresh_candidate(
    connection: Connection, remote_id: int, patience: float | None
) -> Candidate | None:
    if patience is None:
        return record_refresh.refresh_candidate(connection, remote_id)
    if connection.credential is None:
        raise SecretUnreadable
    with open_interactive_provider(
        connection.credential, lane=Lane.PEOPLE, patience=patience
    ) as provider:
        return record_refresh.refresh_candidate(connection, remote_id, provider=provider)


def _get_receipt(candidate: Candidate) -> Entry:
    entries = Entry.objects.filter(
        organization=candidate.connection.organization_id, verb="candidate.erased"
    ).order_by("-id")
    return next(
        entry for entry in entries if candidate.pk in (entry.after or {}).get("candidates", ())
    )
