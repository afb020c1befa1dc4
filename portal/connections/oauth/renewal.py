"""Renews consents of idle connections; those in use renew their tokens hourly anyway."""

from __future__ import annotations

from datetime import timedelta

from django.urls import reverse
from django.utils import timezone

from integrations.ats.client_context import Lane
from integrations.ats.errors import AtsError
from integrations.greenhouse.oauth.authorization_flow import OAUTH_FLOW
from portal.connections.client import build_client_context
from portal.connections.models import Consent
from portal.connections.oauth import partner_app
from portal.connections.oauth.tokens import ConsentTokenStore
from portal.connections.permissions import monitor
from portal.core import links, queue
from portal.core.secrets.secret_field import SecretUnreadable
from portal.issues import service
from portal.issues.models import Issue
from portal.notifications import notify

State = Consent.State
RENEW_TASK = "portal.connections.tasks.renew_consent"
# Refresh tokens last 24 hours: renew after six hours, warn when six are left.
RENEW_BEFORE_EXPIRY = timedelta(hours=18)
WARN_BEFORE_EXPIRY = timedelta(hours=6)
BATCH_SIZE = 50  # per round; all share one application and its token rate limit
CAUSE = Issue.Cause.CONSENT_EXPIRING


def list_due_consents() -> dict[int, int]:
    """Return consent IDs with the ID of their organization."""
    renew_before = timezone.now() + RENEW_BEFORE_EXPIRY
    active = Consent.objects.filter(state=State.ACTIVE, refresh_expires_at__lt=renew_before)
    due = active.order_by("refresh_expires_at")
    return dict(due.values_list("pk", "connection__organization_id")[:BATCH_SIZE])


def enqueue_due_renewals() -> None:
    if partner_app.is_configured():
        queue.requeue_lost_tasks(RENEW_TASK, list_due_consents())


def renew_consent(consent_id: int) -> None:
    """Renew a consent unless that was done already or another process is doing it."""
    consent = Consent.objects.select_related("connection__organization").get(pk=consent_id)
    oauth_app = partner_app.get_oauth_app()
    if not consent.is_active or oauth_app is None:
        return
    if consent.refresh_expires_at >= timezone.now() + RENEW_BEFORE_EXPIRY:
        return
    context = build_client_context(consent.connection, Lane.SYNC)
    try:
        OAUTH_FLOW.refresh_tokens(
            context, oauth_app, ConsentTokenStore(consent.pk), number=consent.token_number
        )
    except (AtsError, SecretUnreadable):
        consent.refresh_from_db()
        if consent.is_active:
            _warn_before_expiry(consent)
        return
    close_expiry_issue(consent)


def close_expiry_issue(consent: Consent) -> None:
    if consent.credential_id:
        service.resolve_issues(
            consent.connection.organization, CAUSE, why="the consent was renewed"
        )


def _warn_before_expiry(consent: Consent) -> None:
    time_left = consent.refresh_expires_at - timezone.now()
    if consent.credential_id is None or time_left > WARN_BEFORE_EXPIRY:
        return
    organization = consent.connection.organization
    issue, is_new = service.open_issue(
        organization,
        CAUSE,
        title="Greenhouse authorization is about to expire",
        description="We couldn't renew it yet. It expires at "
        f"{consent.refresh_expires_at:%H:%M} UTC, and we keep trying. To be safe, connect again "
        "in Setup: one click, and synced data is kept.",
        severity=Issue.Severity.CRITICAL,
        fixer=Issue.Fixer.ADMIN,
        still_works="Everything works until then.",
        details={"consent": consent.pk},
    )
    if is_new:
        notify.notify_users(
            notify.list_admins(organization),
            organization,
            key=f"issue:{issue.pk}",
            subject=issue.title,
            body=issue.description,
            path=reverse(links.SETUP_CREDENTIAL),
        )


def handle_lost_consent(consent_id: int) -> None:
    """Greenhouse rejected the refresh token: request a check or notify the consent's owner."""
    consent = Consent.objects.select_related(
        "connection__organization", "credential", "membership__user"
    ).get(pk=consent_id)
    if consent.credential is not None:
        close_expiry_issue(consent)  # the check opens another issue
        if consent.credential.state == consent.credential.State.IN_USE:
            monitor.request_check(consent.connection)
    elif consent.membership is not None:
        notify.notify_users(
            {consent.membership.user},
            consent.connection.organization,
            key=f"consent-lost:{consent.pk}",
            subject="Your Greenhouse authorization has ended",
            body="Inbound Talent can no longer act in Greenhouse under your name. Authorize it "
            "again to continue. It takes one click.",
            path=reverse(links.OWN_CONSENT),
        )
