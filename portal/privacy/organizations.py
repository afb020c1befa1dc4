"""Erasing an organization after it has disconnected: everything but the audit record."""

from __future__ import annotations

from typing import Any

from django.db import transaction
from django.db.models import Q, QuerySet

from portal.accounts.models import Membership, Organization, User
from portal.audit.models import Entry
from portal.audit.record import record
from portal.connections.models import Connection
from portal.core.models import Transition
from portal.privacy import holdings, retention
from portal.privacy.people import forget_in_admin

State = Connection.State


class NotYet(Exception):
    """It cannot be erased now. Its text says why, for a person."""


def erase(organization: Organization, *, name: str) -> Entry:
    """Erase everything of an organization; gives the receipt. `name` is its name, typed by hand.

    In bounded pieces: stopped in the middle it is taken up by calling it again, since who belongs
    to it, itself and the receipt come last and at once. Raises NotYet.
    """
    _held(organization, name)
    gone: dict[str, int] = {}
    for rows in holdings.of_organization(organization):
        if rows.model is not Membership:
            _forget_transitions(rows)
            _drop(rows, gone)
    return _close(organization, gone)


@transaction.atomic
def _close(organization: Organization, gone: dict[str, int]) -> Entry:
    """The people who belong nowhere else, the organization, and the receipt."""
    pk, people = organization.pk, _only_here(organization)
    places = Membership._base_manager.filter(organization=organization)
    forget_in_admin(people, places.values_list("pk", flat=True))
    for rows in (
        places,
        User.objects.filter(pk__in=people),
    ):
        _drop(rows, gone)
    organization.delete()
    return record(
        "organization.erased",
        f"erased the organization “{organization.name}” ({pk}) on request",
        organization=None,
        after=gone,
    )


def _drop(rows: QuerySet[Any], gone: dict[str, int]) -> None:
    if n := retention.drop(rows):
        label = rows.model._meta.label
        gone[label] = gone.get(label, 0) + n


def _held(organization: Organization, name: str) -> None:
    if name != organization.name:
        raise NotYet(f"Type its name exactly as it stands: “{organization.name}”.")
    connection = Connection.objects.filter(organization=organization).first()
    if connection is None or connection.state == State.DRAFT:
        return
    if connection.state != State.DISCONNECTED:
        raise NotYet("It is connected to Greenhouse. Disconnect it in its set-up first.")
    if connection.emptying:
        raise NotYet("Its mirror is still being deleted. Try again in a minute.")


def _only_here(organization: Organization) -> list[int]:
    """People who belong nowhere else and are not our own staff: they go with it."""
    everywhere = Membership._base_manager.all()
    here = everywhere.filter(organization=organization).values("user")
    elsewhere = everywhere.exclude(organization=organization).values("user")
    people = User.objects.filter(pk__in=here).exclude(Q(is_staff=True) | Q(pk__in=elsewhere))
    return list(people.values_list("pk", flat=True))


def _forget_transitions(rows: QuerySet[Any]) -> None:
    """Transitions name their subject without a foreign key."""
    if not hasattr(rows.model, "MOVES"):
        return
    keys = list(rows.values_list("pk", flat=True))
    for start in range(0, len(keys), retention.BATCH):
        chunk = keys[start : start + retention.BATCH]
        label = rows.model._meta.label_lower
        Transition.objects.filter(subject=label, subject_id__in=chunk).delete()
