from __future__ import annotations

from portal.connections import worker_alerts
from portal.connections.models import FixLink
from portal.connections.oauth import renewal
from portal.connections.permissions import fix_link_email


def record_heartbeat() -> None:
    worker_alerts.record_heartbeat()


def send_fix_link_email(link_id: int) -> None:
    links = FixLink.objects.select_related("connection__organization", "created_by")
    fix_link_email.send_email(links.get(pk=link_id))


def retry_fix_link_emails() -> None:
    fix_link_email.retry_lost_emails()


def renew_due_consents() -> None:
    renewal.enqueue_due_renewals()


def renew_consent(consent_id: int) -> None:
    renewal.renew_consent(consent_id)


def report_lost_consent(consent_id: int) -> None:
    renewal.handle_lost_consent(consent_id)
