"""Audits changes made in admin forms, with field values before and after."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

from django.db import models, router
from django.db.models.deletion import Collector
from django.http import HttpRequest

from portal.accounts.models import Membership, Organization, User
from portal.audit.entries import record_entry
from portal.core.tenancy.managers import find_owner_field

Values = dict[str, Any]


def serialize_fields(row: models.Model, fields: tuple[str, ...]) -> Values:
    values = ((name, getattr(row, name)) for name in fields)
    return {n: v if v is None or isinstance(v, bool | int) else str(v) for n, v in values}


def load_stored_values(row: models.Model, fields: tuple[str, ...]) -> Values:
    """Return the stored values before a row is saved; {} for a new row."""
    if row.pk is None:
        return {}
    stored_row = type(row)._default_manager.filter(pk=row.pk).first()
    return serialize_fields(stored_row, fields) if stored_row else {}


def record_changes(
    request: HttpRequest,
    verb: str,
    text: str,
    *,
    organization: Organization | None,
    subject: models.Model,
    before: Values,
    after: Values,
) -> None:
    """Record an audit entry with the fields that differ, if any."""
    names = [n for n in {**before, **after} if before.get(n) != after.get(n)]
    if not names:
        return
    assert isinstance(request.user, User)  # noqa: S101  (for the type; the admin asks for staff)
    record_entry(
        verb,
        text,
        organization=organization,
        by=request.user,
        subject=subject,
        before={n: before[n] for n in names if n in before} or None,
        after={n: after[n] for n in names if n in after} or None,
        request=request,
    )


ORGANIZATION_FIELDS = ("name", "slug", "owner")
MEMBERSHIP_FIELDS = ("user", "role")
USER_FIELDS = ("email", "name", "is_active", "is_staff")


def record_organization_change(request: HttpRequest, row: Organization, before: Values) -> None:
    text = f"changed the details of {row}" if before else f"created the customer {row}"
    verb = "organization.changed" if before else "organization.created"
    after = serialize_fields(row, ORGANIZATION_FIELDS)
    record_changes(request, verb, text, organization=row, subject=row, before=before, after=after)


def record_membership_change(request: HttpRequest, row: Membership, before: Values) -> None:
    email, role = row.user.email, row.get_role_display().lower()
    text = f"made {email} {role}" if before else f"added {email} as {role}"
    verb = "member.role_changed" if before else "member.added"
    record_changes(
        request, verb, text, organization=row.organization, subject=row,
        before=before, after=serialize_fields(row, MEMBERSHIP_FIELDS),
    )  # fmt: skip


def record_membership_removal(request: HttpRequest, row: Membership, before: Values) -> None:
    text = f"removed {row.user.email}"
    record_changes(
        request, "member.removed", text, organization=row.organization, subject=row,
        before=before, after={},
    )  # fmt: skip


def record_user_change(request: HttpRequest, row: User, before: Values) -> None:
    """Record the change in the log of each of the user's organizations."""
    text = (
        f"changed the account of {row.email}" if before else f"created an account for {row.email}"
    )
    verb = "account.changed" if before else "account.created"
    members = row.memberships.select_related("organization")
    organizations = [member.organization for member in members]
    no_organization: list[Organization | None] = [None]
    for organization in organizations or no_organization:
        record_changes(
            request, verb, text, organization=organization, subject=row,
            before=before, after=serialize_fields(row, USER_FIELDS),
        )  # fmt: skip


@dataclass(frozen=True)
class Deletion:
    """A row about to be deleted, with the number of rows that go along, by model."""

    verb: str
    description: str
    row_id: Any
    organizations: tuple[Organization | None, ...]
    deleted_counts: dict[str, int]


def describe_deletion(row: models.Model) -> Deletion:
    return Deletion(
        verb=f"{row._meta.model_name}.deleted",
        description=f"deleted the {row._meta.verbose_name} {row} in the admin",
        row_id=row.pk,
        organizations=tuple(_list_owners(row)) or (None,),
        deleted_counts=_count_deleted_rows(row),
    )


def record_deletion(request: HttpRequest, deletion: Deletion) -> None:
    assert isinstance(request.user, User)  # noqa: S101  (for the type; the admin asks for staff)
    for organization in deletion.organizations:
        record_entry(
            deletion.verb,
            deletion.description,
            organization=organization,
            by=request.user if request.user.pk else None,
            before={"id": deletion.row_id},
            after=deletion.deleted_counts,
            request=request,
        )


def _list_owners(row: models.Model) -> list[Organization]:
    """The organizations in whose logs the deletion belongs; none once they are deleted, too."""
    if isinstance(row, User):
        members = row.memberships.select_related("organization")
        return [member.organization for member in members]
    owner: Any = row
    while owner is not None and not (field := find_owner_field(owner._meta.model)).primary_key:
        owner = getattr(owner, field.name)
    return [owner] if isinstance(owner, Organization) and owner is not row else []


def _count_deleted_rows(row: models.Model) -> dict[str, int]:
    collector = Collector(using=router.db_for_write(type(row)), origin=row)
    collector.collect([row])
    counts: Counter[str] = Counter()
    for model, rows in collector.data.items():
        counts[model._meta.label] += len(rows)
    for queryset in collector.fast_deletes:
        counts[queryset.model._meta.label] += queryset.count()
    return {label: count for label, count in sorted(counts.items()) if count}
