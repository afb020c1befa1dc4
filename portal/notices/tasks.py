"""What workers do with notices."""

from __future__ import annotations

from portal.notices import tell
from portal.notices.models import Notice


def send(notice_id: int) -> None:
    tell.send(Notice.objects.select_related("to", "organization").get(pk=notice_id))


def sweep() -> None:
    tell.sweep()
