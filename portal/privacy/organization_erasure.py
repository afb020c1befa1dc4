"""Erases a disconnected organization: everything but the audit record."""

from __future__ import annotations

from typing import Any

from django.db import transaction
from django.db.models import Q, QuerySet

from portal.accounts.models import Membership, Organization, User
from portal.audit.entries import record_entry
from portal.audit.models import Entry
from portal.connections.models import Connection
from portal.privacy import related_rows, retention
from portal.privacy.member_data import anonymize_admin_log

State = Connection.State


class CannotErase(Exception):
    """The message is for a person."""


def erase_organization(organization: Organization, *, name: str) -> Entry:
    """Erase an organization and return the audit entry as receipt. Raises CannotErase.

    `name` is typed as confirmation. Memberships, the organization and the receipt go last in one
    transaction, so an interrupted run can be repeated.
    """
    _ensure_erasable(organization, name)
    deleted_counts: dict[str, int] = {}
    for rows in related_rows.list_organization_rows(organization):
        if rows.model is not Membership:
            _delete_rows(rows, deleted_counts)
    return _delete_organization(organization, deleted_counts)


@transaction.atomic
def _delete_organization(organization: Organization, deleted_counts: dict[str, int]) -> Entry:
    pk, people = organization.pk, _list_exclusive_user_ids(organization)
    memberships = Membership._base_manager.filter(organization=organization)
    anonymize_admin_log(people, memberships.values_list("pk", flat=True))
    for rows in (
        memberships,
        User.objects.filter(pk__in=people),
    ):
        _delete_rows(rows, deleted_counts)
    organization.delete()
    return record_entry(
        "organization.erased",
        f"erased the organization “{organization.name}” ({pk}) on request",
        organization=None,
        after=deleted_counts,
    )


def _delete_rows(rows: QuerySet[Any], deleted_counts: dict[str, int]) -> None:
    if n := retention.delete_in_batches(rows):
        label = rows.model._meta.label
        deleted_counts[label] = deleted_counts.get(label, 0) + n


def _ensure_erasable(organization: Organization, name: str) -> None:
    if name != organization.name:
        raise CannotErase(f"Type its name exactly as it stands: “{organization.name}”.")
    connection = Connection.objects.filter(organization=organization).first()
    if connection is None or connection.state == State.DRAFT:
        return
    if connection.state != State.DISCONNECTED:
        raise CannotErase("It is connected to Greenhouse. Disconnect it in its setup first.")
    if connection.data_deletion_pending:
        raise CannotErase("Its mirror is still being deleted. Try again in a minute.")


def _list_exclusive_user_ids(organization: Organization) -> list[int]:
    memberships = Membership._base_manager.all()
    member_ids = memberships.filter(organization=organization).values("user")
    other_member_ids = memberships.exclude(organization=organization).values("user")
    people = User.objects.filter(pk__in=member_ids).exclude(
        Q(is_staff=True) | Q(pk__in=other_member_ids)
    )
    return list(people.values_list("pk", flat=True))
