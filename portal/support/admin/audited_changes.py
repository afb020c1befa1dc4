"""Audits changes made in admin forms, with field values before and after."""

from __future__ import annotations

from typing import Any

from django.db import models
from django.http import HttpRequest

from portal.accounts.models import Membership, Organization, User
from portal.audit.entries import record_entry

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
