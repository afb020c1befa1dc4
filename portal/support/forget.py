"""What is kept for a while only: events and notices. The audit record is kept for good."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.conf import settings
from django.contrib.sessions.models import Session
from django.db.models import QuerySet
from django.utils import timezone

from portal.core.models import SharedState, Transition
from portal.notices.models import ChatPost, Notice

BATCH = 5_000  # rows in one statement: others are not kept waiting


def forget() -> int:
    """Drop what is older than the deployment keeps it; gives how many rows went."""
    now = timezone.now()
    events = now - timedelta(days=settings.EVENT_DAYS)
    told = now - timedelta(days=settings.NOTICE_DAYS)
    return sum(
        _drop(rows)
        for rows in (
            Transition.objects.filter(at__lt=events),
            Notice.objects.filter(created_at__lt=told),
            ChatPost.objects.filter(created_at__lt=told),
            SharedState.objects.filter(expires_at__lt=now),
            Session.objects.filter(expire_date__lt=now),
        )
    )


def _drop(rows: QuerySet[Any]) -> int:
    dropped = 0
    while keys := list(rows.order_by().values_list("pk", flat=True)[:BATCH]):
        dropped += rows.model._default_manager.filter(pk__in=keys).delete()[0]
    return dropped
