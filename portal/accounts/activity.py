"""When members used the portal: only then is their access read, and promised, every few minutes."""

from __future__ import annotations

from datetime import timedelta

from django.db.models import Q
from django.utils import timezone

from portal.accounts.models import ActivityPeriod, Membership
from portal.core.database import read_only

RESOLUTION = timedelta(minutes=1)
ACTIVE_FOR = timedelta(minutes=15)  # after the last request


def record_activity(membership: Membership) -> None:
    """Write at most once a minute, and not during impersonation."""
    now, last = timezone.now(), membership.last_active_at
    if read_only.is_read_only() or (last is not None and abs(now - last) < RESOLUTION):
        return
    Membership.objects.filter(pk=membership.pk).update(last_active_at=now)
    periods = ActivityPeriod.objects.filter(organization=membership.organization_id)
    if not periods.filter(build_active_filter(), began_at__lte=now).update(last_at=now):
        ActivityPeriod.objects.create(
            organization_id=membership.organization_id, began_at=now, last_at=now
        )


def build_active_filter() -> Q:
    """Periods of organizations that are in use now."""
    return Q(last_at__gt=timezone.now() - ACTIVE_FOR)
