"""Who has authorized the portal in Greenhouse for themselves, and emails to those who have not."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.db.models import Exists, OuterRef, QuerySet
from django.urls import reverse
from django.utils import timezone

from portal.accounts.models import Membership, Organization, User
from portal.connections.models import Consent
from portal.core import links
from portal.notifications import notify


@dataclass(frozen=True)
class ConsentCount:
    members: int
    given: int

    @property
    def missing(self) -> int:
        return self.members - self.given


def count_consents(organization: Organization) -> ConsentCount:
    members = _list_members(organization)
    return ConsentCount(members.count(), members.filter(has_consent=True).count())


def email_members_without_consent(organization: Organization) -> int:
    """Email each person at most once a day; returns how many emails are new."""
    people = User.objects.filter(
        memberships__in=_list_members(organization).filter(has_consent=False)
    )
    new = notify.notify_users(
        people,
        organization,
        key=f"consent-request:{organization.pk}:{timezone.now():%Y-%m-%d}",
        subject="Authorize Inbound Talent in Greenhouse",
        body="Your actions in Inbound Talent happen in Greenhouse under your name. Authorize this "
        "once to turn on your action buttons. It takes one click.",
        path=reverse(links.OWN_CONSENT),
    )
    return len(new)


def _list_members(organization: Organization) -> QuerySet[Any]:
    consents = Consent.objects.filter(membership=OuterRef("pk"), state=Consent.State.ACTIVE)
    return Membership.objects.filter(
        organization=organization, ended_at=None, user__is_active=True
    ).annotate(has_consent=Exists(consents))
