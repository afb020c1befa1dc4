"""What we hold of a candidate: taken along, and erased once Greenhouse has erased them.

Greenhouse is where candidates are. What is erased here alone would come back with the next sync.
"""

from __future__ import annotations

from typing import Any

from django.utils import timezone

from integrations.ats.errors import AtsError
from portal.applications.models import ApplicationAction
from portal.audit.models import Entry
from portal.connections.models import Connection
from portal.core.secrets import SecretUnreadable
from portal.mirror import people, single
from portal.mirror.models import Application, Candidate
from portal.privacy import holdings


class StillThere(Exception):
    """Greenhouse still has the person."""


class CannotTell(Exception):
    """Greenhouse could not be asked. Its text says why, for a person."""


def find(connection: Connection, remote_id: int) -> Candidate | None:
    """Our copy of the candidate with this id of Greenhouse's."""
    return Candidate.objects.filter(connection=connection, remote_id=remote_id).first()


def export(candidate: Candidate) -> dict[str, Any]:
    """Everything held of a candidate, ready for JSON."""
    applications = Application.objects.filter(candidate=candidate).select_related("job")
    actions = ApplicationAction.objects.filter(application__candidate=candidate)
    return {
        "made_at": timezone.now(),
        "candidate": holdings.plain(candidate),
        "applications": [
            {**holdings.plain(one), "job": one.job.name if one.job else None}
            for one in applications.order_by("id")
        ],
        "done_with_them": [
            {
                "at": one.queued_at,
                "what": one.get_kind_display(),
                "outcome": one.outcome,
                "notes": one.notes,
            }
            for one in actions.order_by("id")
        ],
    }


def erase(candidate: Candidate) -> Entry:
    """Erase our copy; gives the receipt in the audit record. Raises StillThere and CannotTell."""
    connection = candidate.connection
    try:
        found = single.refresh_candidate(connection, candidate.remote_id)
    except AtsError as error:
        raise CannotTell(error.sentence) from error
    except SecretUnreadable as error:
        raise CannotTell("There is no credential to ask Greenhouse with.") from error
    if found is not None and (found.first_name or found.last_name):
        raise StillThere
    if found is not None and found.erased_at is None:  # it never had a name to lose
        people.erase(connection, [candidate.remote_id])
    return _receipt(candidate)


def _receipt(candidate: Candidate) -> Entry:
    told = Entry.objects.filter(
        organization=candidate.connection.organization_id, verb="mirror.erased"
    ).order_by("-id")
    return next(one for one in told if candidate.pk in (one.after or {}).get("candidates", ()))
