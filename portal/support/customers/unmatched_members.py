"""Members without a unique Greenhouse user."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.db.models import Count, Exists, OuterRef, Q, QuerySet

from portal.accounts.models import Membership
from portal.sync.models import AtsUserEmail


def list_unmatched_members(organizations: Iterable[int]) -> QuerySet[Membership]:
    """Return members without a unique Greenhouse user, where users were synced at all."""
    return query_unmatched_members().filter(organization__in=organizations)


def query_unmatched_members() -> QuerySet[Any]:
    # As in portal.entitlements.user_matching: one active user, or only deactivated ones.
    known_emails = AtsUserEmail.objects.filter(
        user__connection__organization=OuterRef("organization"), user__gone_at=None
    ).exclude(verified=False)
    same_emails = known_emails.filter(address=OuterRef("user__email")).order_by().values("address")
    active_users = Count("pk", filter=Q(user__deactivated=False))
    unmatched_members: QuerySet[Any] = (
        Membership.objects.filter(Exists(known_emails))
        .exclude(Exists(same_emails.annotate(active=active_users).filter(active__lte=1)))
        .order_by()
    )
    return unmatched_members
