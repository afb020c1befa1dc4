"""What workers do for connections."""

from __future__ import annotations

from portal.connections import fix_mail, renewal, workers
from portal.connections.models import FixLink


def beat() -> None:
    workers.beat()


def send_link(link_id: int) -> None:
    links = FixLink.objects.select_related("connection__organization", "made_by")
    fix_mail.send(links.get(pk=link_id))


def sweep() -> None:
    fix_mail.sweep()


def renew_due() -> None:
    renewal.renew_due()


def renew(consent_id: int) -> None:
    renewal.renew(consent_id)


def consent_lost(consent_id: int) -> None:
    renewal.lost(consent_id)
