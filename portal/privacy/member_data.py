"""Exports and erases a member's data; their actions remain under "Former member" (docs/data.md)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from allauth.usersessions.models import UserSession
from django.contrib.admin.models import LogEntry
from django.contrib.contenttypes.models import ContentType
from django.contrib.sessions.models import Session
from django.db import models, transaction
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils import timezone

from portal.accounts import erased_users
from portal.accounts.models import FORMER_MEMBER, Membership, Organization, User
from portal.applications.models import ApplicationAction, Batch
from portal.audit.entries import record_entry
from portal.audit.models import Entry
from portal.connections.models import Consent, FixLink
from portal.connections.oauth import revocation
from portal.connections.permissions import fix_links
from portal.core.models import Transition
from portal.core.tenancy.scope import all_organizations
from portal.issues.models import Issue
from portal.members import memberships
from portal.members.models import Invitation
from portal.notifications.models import ChatMessage, Notification
from portal.privacy import related_rows
from portal.support.models import Impersonation
from portal.sync.models import AtsUser, JobGrant

# Actions the organization keeps, anonymized.
_RETAINED_MODELS = (ApplicationAction, Batch, Impersonation)
# Text about other people, or written for others to read.
_FIELDS_ABOUT_OTHERS = {"notes", "evidence", "state_before", "state_after"}
_TEXT_FIELDS: tuple[tuple[type[models.Model], tuple[str, ...]], ...] = (
    (Issue, ("title", "description", "note")),
    (Notification, ("subject", "body")),
    (ChatMessage, ("text",)),
    (Transition, ("reason",)),
    (LogEntry, ("object_repr", "change_message")),
)


class LastAdmin(Exception):
    """`organization` would be left without an admin."""

    def __init__(self, organization: str) -> None:
        self.organization = organization
        super().__init__(organization)


@all_organizations("whether the account is used elsewhere, too")
def explain_not_manageable(membership: Membership) -> str:
    """Return why this organization's admin may not export or erase the account, or ""."""
    user = membership.user
    others = Membership._base_manager.filter(user=user).exclude(pk=membership.pk)
    if user.is_staff or others.exists():
        return "This account is not only yours to manage. Inbound Talent answers this request."
    return ""


def export_member(person: User) -> dict[str, Any]:
    """Return everything stored about a member, ready for JSON, without secrets and candidates."""
    memberships = Membership._base_manager.filter(user=person).select_related("organization")
    return {
        "generated_at": timezone.now(),
        "person": related_rows.serialize_row(person),
        "memberships": [
            {**related_rows.serialize_row(row), "organization": row.organization.name}
            for row in memberships
        ],
        "owned_rows": _group_by_model(related_rows.iterate_owned_rows(person), _serialize_own_row),
        "references": _group_by_model(
            related_rows.iterate_referencing_rows(person),
            related_rows.serialize_outline,
            excluded_model=Entry,
        ),
        "audit_log": [
            {
                "at": row.at,
                "verb": row.verb,
                "description": row.description,
                "address": row.ip_address,
            }
            for row in Entry.objects.filter(by=person).order_by("id")
        ],
        "invitations": [related_rows.serialize_row(row) for row in _list_invitations(person)],
        "greenhouse_users": [
            _serialize_ats_user(row) for row in _list_ats_users(person, memberships)
        ],
    }


def _group_by_model(
    querysets: Any, serialize: Any, excluded_model: type[models.Model] | None = None
) -> dict[str, list[dict[str, Any]]]:
    return {
        rows.model._meta.label: [serialize(row) for row in rows]
        for rows in querysets
        if rows.model is not excluded_model and rows.exists()
    }


def _serialize_own_row(row: models.Model) -> dict[str, Any]:
    data = related_rows.serialize_row(row)
    if isinstance(row, ApplicationAction):
        return {name: value for name, value in data.items() if name not in _FIELDS_ABOUT_OTHERS}
    return data


def _list_invitations(person: User) -> QuerySet[Invitation]:
    return Invitation.objects.filter(email=person.email).order_by("id")


def _list_ats_users(person: User, memberships: QuerySet[Membership]) -> QuerySet[AtsUser]:
    organizations = memberships.values("organization")
    return AtsUser.objects.filter(
        connection__organization__in=organizations, emails__address=person.email
    ).distinct()


def _serialize_ats_user(user: AtsUser) -> dict[str, Any]:
    return {
        **related_rows.serialize_row(user),
        "addresses": list(user.emails.values_list("address", flat=True)),
        "jobs_granted": JobGrant.objects.filter(user=user, gone_at=None).count(),
    }


@transaction.atomic
def erase_member(
    person: User, *, by: User | None = None, request: HttpRequest | None = None
) -> dict[str, int]:
    """Erase a member; return deleted row counts by model. Idempotent. Raises LastAdmin."""
    # Synced Greenhouse users stay until they are gone in Greenhouse.
    if person.erased_at:
        return {}
    _ensure_not_last_admin(person)
    memberships = Membership._base_manager.filter(user=person).select_related("organization")
    organizations: list[Organization | None] = [
        membership.organization for membership in memberships
    ]
    for membership in memberships:
        revocation.revoke_member_consents(membership, None)
    deleted_counts = {"sessions": _end_sessions(person)}
    for rows in [*related_rows.iterate_owned_rows(person), _list_invitations(person)]:
        if rows.model not in _RETAINED_MODELS and (n := rows.count()):
            rows.delete()
            deleted_counts[rows.model._meta.label] = (
                deleted_counts.get(rows.model._meta.label, 0) + n
            )
    for membership in memberships:
        _anonymize_refusal_issues(membership)
    anonymize_admin_log([person.pk], [membership.pk for membership in memberships])
    # The reason is free text about the person.
    Impersonation.objects.filter(membership__in=memberships).update(reason="")
    _revoke_fix_links(person.email)
    _redact_address(person.email)
    _anonymize_user(person)
    for organization in organizations or [None]:
        record_entry(
            "user.erased",
            "erased a member's personal data on request",
            organization=organization,
            by=by,
            subject=person,
            after=deleted_counts,
            request=request,
        )
    return deleted_counts


def delete_membership_data(membership: Membership, by: User | None) -> None:
    """Delete data only the removed member used, such as pins and saved views."""
    for rows in related_rows.iterate_membership_rows(membership):
        if rows.model not in (*_RETAINED_MODELS, Consent):
            rows.delete()


def _ensure_not_last_admin(person: User) -> None:
    for organization in memberships.list_organizations_left_without_admin(person):
        raise LastAdmin(organization.name)


def _end_sessions(person: User) -> int:
    keys = UserSession.objects.filter(user=person).values("session_key")
    return int(Session.objects.filter(session_key__in=keys).delete()[0])


def anonymize_admin_log(user_ids: Iterable[int], membership_ids: Iterable[int]) -> None:
    for model, keys in ((User, user_ids), (Membership, membership_ids)):
        LogEntry.objects.filter(
            content_type=ContentType.objects.get_for_model(model),
            object_id__in=[str(key) for key in keys],
        ).update(object_repr=FORMER_MEMBER, change_message="")


def _anonymize_refusal_issues(membership: Membership) -> None:
    issues = Issue.objects.filter(
        organization=membership.organization_id,
        cause=Issue.Cause.ACTING_USER_REFUSED,
        key__startswith=f"{membership.pk}:",
    )
    for issue in issues:
        issue.title = issue.title.replace(str(membership.user), FORMER_MEMBER.lower())
        issue.save(update_fields=["title"])


def _revoke_fix_links(address: str) -> None:
    links = FixLink.objects.filter(sent_to=address)
    for link in links:
        fix_links.revoke_link(link)
    links.update(sent_to="")


def _redact_address(address: str) -> None:
    pattern = re.compile(re.escape(address), re.IGNORECASE | re.ASCII)
    for model, names in _TEXT_FIELDS:
        mentions_address = Q()
        for name in names:
            mentions_address |= Q(**{f"{name}__icontains": address})
        for row in model._base_manager.filter(mentions_address):
            for name in names:
                setattr(row, name, pattern.sub(FORMER_MEMBER.lower(), getattr(row, name)))
            row.save(update_fields=names)


def _anonymize_user(person: User) -> None:
    person.groups.clear()
    person.user_permissions.clear()
    person.erased_digest = erased_users.digest_email(person.email)
    person.email, person.name = f"erased-{person.pk}@erased.invalid", FORMER_MEMBER
    person.email_confirmed_at = person.last_login = None
    person.is_active = person.is_staff = person.is_superuser = False
    person.erased_at = timezone.now()
    person.set_unusable_password()  # ends remaining sessions
    person.save()
