"""A member's data: taken along, and erased.

Erased means: nobody can tell any more who it was, save by the sealed audit record (docs/data.md).
What the person did keeps its place, under "Former member".
"""

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
from django.utils import timezone

from portal.accounts import former
from portal.accounts.models import FORMER, Membership, Organization, User
from portal.applications.models import ApplicationAction, Batch
from portal.audit.models import Entry
from portal.audit.record import record
from portal.connections import endings, fix_links
from portal.connections.models import Consent, FixLink
from portal.core.models import Transition
from portal.issues.models import Issue
from portal.members.models import Invitation
from portal.mirror.models import AtsUser, JobGrant
from portal.notices.models import ChatPost, Notice
from portal.privacy import holdings
from portal.support.models import Look

# What the person did, in which an organization keeps a part: it stays, under no name.
_STAYS = (ApplicationAction, Batch, Look)
# Written by a person about somebody else, or for others to read.
_ABOUT_OTHERS = {"notes", "evidence", "before", "after"}
_MENTIONS: tuple[tuple[type[models.Model], tuple[str, ...]], ...] = (
    (Issue, ("title", "words", "note")),
    (Notice, ("subject", "words")),
    (ChatPost, ("words",)),
    (Transition, ("why",)),
    (LogEntry, ("object_repr", "change_message")),
)


class LastAdmin(Exception):
    """An organization would be left without an admin. `organization` tells which."""

    def __init__(self, organization: str) -> None:
        self.organization = organization
        super().__init__(organization)


def export(person: User) -> dict[str, Any]:
    """Everything held of a member, ready for JSON: without secrets, and without candidates."""
    memberships = Membership._base_manager.filter(user=person).select_related("organization")
    return {
        "made_at": timezone.now(),
        "person": holdings.plain(person),
        "memberships": [
            {**holdings.plain(one), "organization": one.organization.name} for one in memberships
        ],
        "theirs": _by_model(holdings.theirs(person), _own),
        "named_in": _by_model(holdings.pointing(person), holdings.outline, but=Entry),
        "audit_record": [
            {"at": one.at, "verb": one.verb, "words": one.words, "address": one.address}
            for one in Entry.objects.filter(by=person).order_by("id")
        ],
        "invitations": [holdings.plain(one) for one in _invitations(person)],
        "in_greenhouse": [_as_user(one) for one in _users(person, memberships)],
    }


def _by_model(
    found: Any, shown: Any, but: type[models.Model] | None = None
) -> dict[str, list[dict[str, Any]]]:
    return {
        rows.model._meta.label: [shown(row) for row in rows]
        for rows in found
        if rows.model is not but and rows.exists()
    }


def _own(row: models.Model) -> dict[str, Any]:
    kept = holdings.plain(row)
    if isinstance(row, ApplicationAction):
        return {name: value for name, value in kept.items() if name not in _ABOUT_OTHERS}
    return kept


def _invitations(person: User) -> QuerySet[Invitation]:
    return Invitation.objects.filter(email=person.email).order_by("id")


def _users(person: User, memberships: QuerySet[Membership]) -> QuerySet[AtsUser]:
    """Our copy of the Greenhouse users with this address, where the person belongs."""
    organizations = memberships.values("organization")
    return AtsUser.objects.filter(
        connection__organization__in=organizations, emails__address=person.email
    ).distinct()


def _as_user(user: AtsUser) -> dict[str, Any]:
    return {
        **holdings.plain(user),
        "addresses": list(user.emails.values_list("address", flat=True)),
        "jobs_granted": JobGrant.objects.filter(user=user, gone_at=None).count(),
    }


@transaction.atomic
def erase(person: User) -> dict[str, int]:
    """Erase a member; gives how many rows of each kind went. Doing it again changes nothing.

    Raises LastAdmin. What Greenhouse holds of its own users is Greenhouse's: the mirror shows it
    until it is gone there.
    """
    if person.erased_at:
        return {}
    _held(person)
    everywhere = Membership._base_manager.filter(user=person).select_related("organization")
    whose: list[Organization | None] = [one.organization for one in everywhere]
    for one in everywhere:
        endings.end_of(one, None)
    gone = {"sessions": _end_sessions(person)}
    for rows in [*holdings.theirs(person), _invitations(person)]:
        if rows.model not in _STAYS and (n := rows.count()):
            rows.delete()
            gone[rows.model._meta.label] = gone.get(rows.model._meta.label, 0) + n
    for one in everywhere:
        _unname(one)
    forget_in_admin([person.pk], [one.pk for one in everywhere])
    Look.objects.filter(membership__in=everywhere).update(reason="")  # it tells of the person
    _take_links_back(person.email)
    _unmention(person.email)
    _blank(person)
    for organization in whose or [None]:
        record(
            "person.erased",
            "erased a member's personal data on request",
            organization=organization,
            subject=person,
            after=gone,
        )
    return gone


def leave(membership: Membership, by: User | None) -> None:
    """Forget what served only somebody who was taken out: pins, lists, where they stopped."""
    for rows in holdings.of_place(membership):
        if rows.model not in (*_STAYS, Consent):
            rows.delete()


def _held(person: User) -> None:
    for one in person.memberships.filter(role=Membership.Role.ADMIN).select_related("organization"):
        others = one.organization.memberships.exclude(user=person)
        admins = others.filter(role=Membership.Role.ADMIN, user__is_active=True)
        if others.exists() and not admins.exists():
            raise LastAdmin(one.organization.name)


def _end_sessions(person: User) -> int:
    keys = UserSession.objects.filter(user=person).values("session_key")
    return int(Session.objects.filter(session_key__in=keys).delete()[0])


def forget_in_admin(people: Iterable[int], places: Iterable[int]) -> None:
    """What was changed of them in the admin, and when, is kept; not what they were called."""
    for model, keys in ((User, people), (Membership, places)):
        LogEntry.objects.filter(
            content_type=ContentType.objects.get_for_model(model),
            object_id__in=[str(key) for key in keys],
        ).update(object_repr=FORMER, change_message="")


def _unname(place: Membership) -> None:
    """Take the name out of issues about what Greenhouse refused to the person."""
    refused = Issue.objects.filter(
        organization=place.organization_id,
        cause=Issue.Cause.ACTING_USER_REFUSED,
        key__startswith=f"{place.pk}:",
    )
    for issue in refused:
        issue.title = issue.title.replace(str(place.user), FORMER.lower())
        issue.save(update_fields=["title"])


def _take_links_back(address: str) -> None:
    """A link that was sent to the person opens nothing any more."""
    sent = FixLink.objects.filter(sent_to=address)
    for link in sent:
        fix_links.revoke(link)
    sent.update(sent_to="")


def _unmention(address: str) -> None:
    """Take the address out of sentences about the person."""
    pattern = re.compile(re.escape(address), re.IGNORECASE | re.ASCII)
    for model, names in _MENTIONS:
        chosen = Q()
        for name in names:
            chosen |= Q(**{f"{name}__icontains": address})
        for row in model._base_manager.filter(chosen):
            for name in names:
                setattr(row, name, pattern.sub(FORMER.lower(), getattr(row, name)))
            row.save(update_fields=names)


def _blank(person: User) -> None:
    person.groups.clear()
    person.user_permissions.clear()
    person.erased_digest = former.digest(person.email)
    person.email, person.name = f"erased-{person.pk}@erased.invalid", FORMER
    person.email_confirmed_at = person.last_login = None
    person.is_active = person.is_staff = person.is_superuser = False
    person.erased_at = timezone.now()
    person.set_unusable_password()  # ends every session that is left
    person.save()
