"""Members without a unique Greenhouse user."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.db.models import Count, Exists, OuterRef, QuerySet

from portal.accounts.models import Membership
from portal.sync.models import AtsUserEmail


def list_unmatched_members(organizations: Iterable[int]) -> QuerySet[Membership]:
    """Return members without a unique Greenhouse user, where users were synced at all."""
    return query_unmatched_members().filter(organization__in=organizations)


def query_unmatched_members() -> QuerySet[Any]:
    # An address of several Greenhouse users is no match (portal.entitlements.user_matching).
    known_emails = AtsUserEmail.objects.filter(
        user__connection__organization=OuterRef("organization"), user__gone_at=None
    ).exclude(verified=False)
    matching_emails = (
        known_emails.filter(address=OuterRef("user__email")).order_by().values("address")
    )
    unmatched_members: QuerySet[Any] = (
        Membership.objects.filter(Exists(known_emails))
        .exclude(Exists(matching_emails.annotate(n=Count("pk")).filter(n=1)))
        .order_by()
    )
    return unmatched_members
