"""Causes that no single room sees: they show only over many people or many clicks.

Called by the clock; opens and closes the issues of these causes, and no others.
"""

from __future__ import annotations

from datetime import timedelta

from django.db.models import Count, Q
from django.utils import timezone

from portal.accounts.models import Organization
from portal.applications import refusals
from portal.applications.models import ApplicationAction
from portal.connections.models import Connection
from portal.issues import book
from portal.issues.models import Issue
from portal.mirror.models import AtsUserEmail
from portal.support import board

Cause, Severity, Fixer = Issue.Cause, Issue.Severity, Issue.Fixer
LEAST_ACTIONS = 5
SHOWN = 5


def watch() -> None:
    """Look at every connected customer."""
    connected = Organization.objects.filter(
        connection__state__in=(Connection.State.LIVE, Connection.State.DEGRADED)
    )
    organizations = list(connected)
    keys = [organization.pk for organization in organizations]
    failing, lost = _failing(keys), _lost(keys)
    for organization in organizations:
        _actions(organization, failing.get(organization.pk))
        _people(organization, lost.get(organization.pk, []))
    refusals.close_quiet()


def _failing(keys: list[int]) -> dict[int, tuple[int, int]]:
    """Where at least half of five or more clicks of a day failed: how many, of how many."""
    counted = (
        ApplicationAction.objects.filter(
            membership__organization__in=keys,
            queued_at__gte=timezone.now() - timedelta(days=1),
            settled_at__isnull=False,
        )
        .order_by()
        .values_list("membership__organization")
        .annotate(of=Count("pk"), failed=Count("pk", filter=Q(status__in=board.FAILED)))
    )
    return {
        key: (failed, of) for key, of, failed in counted if of >= LEAST_ACTIONS and failed * 2 >= of
    }


def _actions(organization: Organization, failing: tuple[int, int] | None) -> None:
    if failing is None:
        book.solved(organization, Cause.ACTIONS_FAILING, why="most actions succeed again")
        return
    failed, of = failing
    book.seen(
        organization,
        Cause.ACTIONS_FAILING,
        title="At least half of today's actions did not go through",
        words=(
            f"{failed} of {of} clicks within a day did not do in Greenhouse what was asked. The "
            "request log and the outcomes of the actions tell why: often a right that people lack "
            "in Greenhouse, or a permission of the credential."
        ),
        severity=Severity.MUST_ACT,
        fixer=Fixer.CSM,
        still_works="Everything can be read. Nothing was done twice.",
        facts={"failed": failed, "of": of},
    )


def _lost(keys: list[int]) -> dict[int, list[str]]:
    """The addresses without a match, of members: our own people's, never candidates'."""
    found: dict[int, list[str]] = {}
    members = board.unmatched(keys).select_related("user").order_by("user__email")
    for member in members:
        found.setdefault(member.organization_id, []).append(member.user.email)
    return found


def _people(organization: Organization, lost: list[str]) -> None:
    if not lost:
        book.solved(organization, Cause.UNMATCHED_PEOPLE, why="everybody has a match")
        return
    gone = sorted({address.rsplit("@", 1)[-1] for address in lost} - _domains(organization))
    shown = ", ".join(lost[:SHOWN]) + (f" and {len(lost) - SHOWN} more" if lost[SHOWN:] else "")
    changed = len(lost) > 1 and bool(gone)
    book.seen(
        organization,
        Cause.UNMATCHED_PEOPLE,
        title=(
            f"Nobody in Greenhouse has an address at {gone[0]}"
            if changed
            else f"{len(lost)} without a match in Greenhouse"
        ),
        words=(
            "These people see nothing, because no Greenhouse user has their address, or more than "
            f"one: {shown}. "
            + ("It looks as if the company's e-mail domain has changed. " if changed else "")
            + "Have it stand at their user in Greenhouse and at no other, or correct it here."
        ),
        severity=Severity.MUST_ACT if changed else Severity.DEGRADED,
        fixer=Fixer.ADMIN,
        still_works="Everybody else sees and acts as before.",
    )


def _domains(organization: Organization) -> set[str]:
    """Where Greenhouse's people have their addresses."""
    known = AtsUserEmail.objects.filter(
        user__connection__organization=organization, user__gone_at=None, user__deactivated=False
    )
    return {address.rsplit("@", 1)[-1] for address in known.values_list("address", flat=True)}
