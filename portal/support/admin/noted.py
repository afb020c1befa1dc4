"""What our staff enters in the admin's forms, for the record: before and after, field by field."""

from __future__ import annotations

from typing import Any

from django.db import models
from django.http import HttpRequest

from portal.accounts.models import Membership, Organization, User
from portal.audit.record import record

Values = dict[str, Any]


def plain(row: models.Model, fields: tuple[str, ...]) -> Values:
    """These fields as JSON can hold them."""
    values = ((name, getattr(row, name)) for name in fields)
    return {n: v if v is None or isinstance(v, bool | int) else str(v) for n, v in values}


def stored(row: models.Model, fields: tuple[str, ...]) -> Values:
    """The same as the database has them, before the row is saved; {} where it is new."""
    if row.pk is None:
        return {}
    known = type(row)._default_manager.filter(pk=row.pk).first()
    return plain(known, fields) if known else {}


def note(
    request: HttpRequest,
    verb: str,
    words: str,
    *,
    organization: Organization | None,
    subject: models.Model,
    before: Values,
    after: Values,
) -> None:
    """Add an entry with what differs; none where nothing does."""
    names = [n for n in {**before, **after} if before.get(n) != after.get(n)]
    if not names:
        return
    assert isinstance(request.user, User)  # noqa: S101  (for the type; the admin asks for staff)
    record(
        verb,
        words,
        organization=organization,
        by=request.user,
        subject=subject,
        before={n: before[n] for n in names if n in before} or None,
        after={n: after[n] for n in names if n in after} or None,
        request=request,
    )


ORGANIZATION = ("name", "slug")
MEMBERSHIP = ("user", "role")
PERSON = ("email", "name", "is_active", "is_staff")


def organization_saved(request: HttpRequest, row: Organization, before: Values) -> None:
    """A customer was made or renamed."""
    words = f"changed what {row} is called" if before else f"made the organization {row}"
    verb = "organization.changed" if before else "organization.made"
    after = plain(row, ORGANIZATION)
    note(request, verb, words, organization=row, subject=row, before=before, after=after)


def membership_saved(request: HttpRequest, row: Membership, before: Values) -> None:
    """Somebody was put into a customer, or became something else there."""
    email, role = row.user.email, row.get_role_display().lower()
    words = f"made {email} {role}" if before else f"put {email} into the organization as {role}"
    verb = "member.role_changed" if before else "member.added"
    note(
        request, verb, words, organization=row.organization, subject=row,
        before=before, after=plain(row, MEMBERSHIP),
    )  # fmt: skip


def membership_gone(request: HttpRequest, row: Membership, before: Values) -> None:
    """Somebody was taken out of a customer."""
    words = f"took {row.user.email} out of the organization"
    note(
        request, "member.taken_out", words, organization=row.organization, subject=row,
        before=before, after={},
    )  # fmt: skip


def person_saved(request: HttpRequest, row: User, before: Values) -> None:
    """A person's account was made or changed: in the log of each customer they belong to."""
    words = f"changed the account of {row.email}" if before else f"made an account for {row.email}"
    verb = "account.changed" if before else "account.made"
    members = row.memberships.select_related("organization")
    places = [member.organization for member in members]
    nowhere: list[Organization | None] = [None]
    for organization in places or nowhere:
        note(
            request, verb, words, organization=organization, subject=row,
            before=before, after=plain(row, PERSON),
        )  # fmt: skip
