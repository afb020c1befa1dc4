"""Remembers that somebody was shown a résumé, for the record of what they decide."""

from __future__ import annotations

from django.utils import timezone

from portal.accounts.models import Membership
from portal.applications.models import ResumeView
from portal.core.database import read_only
from portal.sync.models import Application


def record_resume_view(member: Membership, application: Application) -> None:
    """Call when the résumé is shown, not when it is read ahead."""
    if read_only.is_read_only():
        return
    now = timezone.now()
    ResumeView.objects.bulk_create(
        [ResumeView(membership=member, application=application, first_at=now, last_at=now)],
        update_conflicts=True,
        unique_fields=["membership", "application"],
        update_fields=["last_at"],
    )
