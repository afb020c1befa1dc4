"""What workers do for web hooks. A task gets an id; the rows tell the rest."""

from __future__ import annotations

from datetime import timedelta

from django.conf import settings
from django.utils import timezone

from portal.webhooks import address, reread, silence
from portal.webhooks.models import Address, Delivery


def read(address_id: int) -> None:
    """Read again what deliveries named."""
    found = Address.objects.select_related("connection").filter(pk=address_id).first()
    if found:  # it may have been taken away since
        reread.read(found)


def sweep() -> None:
    """Ask for what was lost on the way, and forget former secrets whose time is over."""
    reread.sweep()
    address.tidy()


def judge() -> None:
    """Open and close issues about hooks that fell silent."""
    silence.judge_all()


def forget() -> None:
    """Drop deliveries that are older than the deployment keeps its requests."""
    oldest = timezone.now() - timedelta(days=settings.REQUEST_LOG_DAYS)
    Delivery.objects.filter(received_at__lt=oldest).delete()
