"""Creating a customer and inviting their first admin, and asking before likely mistakes."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from django.db import IntegrityError, transaction
from django.db.models import Q
from django.http import HttpRequest
from django.utils import timezone
from django.utils.text import slugify

from portal.accounts.models import Membership, Organization, User
from portal.audit.entries import record_entry
from portal.members import invitations, memberships
from portal.members.models import Invitation

_DEFAULT_SLUG = "customer"  # for names without a Latin letter or digit
_SLUG_LENGTH = 60
_SAME_SUBMISSION = timedelta(minutes=1)


@dataclass(frozen=True)
class Concern:
    """A likely mistake. `key` says what exactly was confirmed."""

    key: str
    text: str


class CreatedMeanwhile(Exception):
    """A customer of the same name was created at the same time."""


def list_concerns(name: str, email: str) -> list[Concern]:
    """List what staff should confirm before this customer is created."""
    concerns = [
        Concern(f"name:{name}:{customer.pk}", f"There is already a customer called {customer}.")
        for customer in _list_similar_customers(name)
    ]
    for membership in memberships.list_other_memberships(email, None):
        text = (
            f"{email} is already {_describe_role(membership.role)} of {membership.organization}. "
            "They will be able to switch between both customers."
        )
        concerns.append(Concern(f"member:{email}:{membership.pk}", text))
    for invitation in _list_open_invitations(email):
        text = f"{email} already has an open invitation to {invitation.organization}."
        concerns.append(Concern(f"invitation:{email}:{invitation.pk}", text))
    return concerns


@transaction.atomic
def create_customer(
    name: str, email: str, *, note: str, by: User, request: HttpRequest
) -> Invitation:
    """Create the customer and invite their admin. Raises InvitationRefused, and CreatedMeanwhile
    if somebody else takes the same slug at the same time.
    """
    try:
        with transaction.atomic():
            organization = Organization.objects.create(name=name, slug=_derive_slug(name))
    except IntegrityError as error:
        raise CreatedMeanwhile from error
    invitation, _ = invitations.create_invitation(
        organization, email, role=Membership.Role.ADMIN, by=by, note=note
    )
    _record_action("organization.created", f"created {organization}", invitation, by, request)
    log_text = f"invited {invitation.email} as admin"
    _record_action("support.admin_invited", log_text, invitation, by, request)
    return invitation


def find_own_invitation(name: str, email: str, by: User) -> Invitation | None:
    """The invitation of the same form, submitted by the same person a moment ago."""
    return (
        Invitation.objects.filter(
            organization__name=name,
            email=email,
            invited_by=by,
            invited_at__gt=timezone.now() - _SAME_SUBMISSION,
        )
        .select_related("organization")
        .first()
    )


@transaction.atomic
def revoke_invitation(invitation: Invitation, *, by: User, request: HttpRequest) -> bool:
    """Return False if it was accepted or revoked before."""
    if not invitations.revoke_invitation(invitation):
        return False
    log_text = f"revoked the invitation of {invitation.email}"
    _record_action("support.invitation_revoked", log_text, invitation, by, request)
    return True


def _record_action(
    verb: str, log_text: str, invitation: Invitation, by: User, request: HttpRequest
) -> None:
    record_entry(
        verb,
        log_text,
        organization=invitation.organization,
        by=by,
        subject=invitation,
        request=request,
    )


def _list_similar_customers(name: str) -> list[Organization]:
    criteria = Q(name__iexact=name)
    if slug := slugify(name):
        criteria |= Q(slug=slug[:_SLUG_LENGTH])
    return list(Organization.objects.filter(criteria)[:5])


def _list_open_invitations(email: str) -> list[Invitation]:
    pending = Invitation.objects.filter(email=email, accepted_at=None, revoked_at=None)
    return [row for row in pending.select_related("organization")[:5] if row.is_open]


def _describe_role(role: str) -> str:
    return "an admin" if role == Membership.Role.ADMIN else "a recruiter"


def _derive_slug(name: str) -> str:
    base = slugify(name)[: _SLUG_LENGTH - 5].strip("-") or _DEFAULT_SLUG
    used_slugs = set(
        Organization.objects.filter(slug__startswith=base).values_list("slug", flat=True)
    )
    number, slug = 1, base
    while slug in used_slugs:
        number += 1
        slug = f"{base}-{number}"
    return slug
