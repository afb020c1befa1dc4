"""What workers do for web hooks. A task gets an id; the rows tell the rest."""

from __future__ import annotations

from portal.webhooks import address, reread, silence
from portal.webhooks.models import Address


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
