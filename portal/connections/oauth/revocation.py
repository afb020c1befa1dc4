from __future__ import annotations

from datetime import timedelta

from django.db import transaction
from django.utils import timezone

from integrations.ats.client_context import Lane
from integrations.ats.errors import AtsUnavailable, RateLimited
from integrations.ats.oauth_tokens import TokenPair
from integrations.greenhouse.oauth.authorization_flow import OAUTH_FLOW
from portal.accounts.models import Membership, User
from portal.connections.client import build_client_context
from portal.connections.models import Connection, Consent, Credential, TokenRevocation
from portal.connections.oauth import partner_app
from portal.connections.oauth.tokens import mark_consent_ended, read_token_pair
from portal.core import queue
from portal.core.secrets.secret_field import SecretUnreadable, reveal_secret

State = Consent.State
REVOKE_TASK = "portal.connections.tasks.revoke_token"
REQUEUE_AFTER = timedelta(minutes=10)


def revoke_consent(consent: Consent, *, why: str, by: User | None) -> bool:
    """Erase the tokens, and have them revoked at Greenhouse. False if already ended."""
    pair = _try_read_tokens(consent)
    with transaction.atomic():
        if not mark_consent_ended(consent, why=why, by=by):
            return False
        if pair is not None:
            request_revocation(consent.connection, pair.refresh_token, subject=consent.subject)
    return True


def revoke_credential_consents(credential: Credential, *, why: str, by: User | None) -> None:
    for consent in Consent.objects.filter(credential=credential, state=State.ACTIVE):
        revoke_consent(consent, why=why, by=by)


def revoke_member_consents(membership: Membership, by: User | None) -> None:
    for consent in Consent.objects.filter(membership=membership, state=State.ACTIVE):
        revoke_consent(consent, why="the person was taken out", by=by)


def revoke_all_consents(connection: Connection, *, why: str, by: User | None) -> None:
    for consent in Consent.objects.filter(connection=connection, state=State.ACTIVE):
        revoke_consent(consent, why=why, by=by)


def _try_read_tokens(consent: Consent) -> TokenPair | None:
    try:
        return read_token_pair(consent)
    except SecretUnreadable:
        return None


@transaction.atomic
def request_revocation(connection: Connection, refresh_token: str, *, subject: int | None) -> None:
    """Have a worker revoke the token: nobody waits for Greenhouse."""
    row = TokenRevocation.objects.create(
        connection=connection, subject=subject, refresh_token=refresh_token
    )
    queue.enqueue_task(REVOKE_TASK, row.pk, organization_id=connection.organization_id)


def revoke_token(revocation: TokenRevocation) -> None:
    """Revoke at Greenhouse and forget the token. Raises RetryLater while Greenhouse is down."""
    oauth_app = partner_app.get_oauth_app()
    is_expired = revocation.created_at < timezone.now() - TokenRevocation.LASTS
    # What this does to another consent of the same user is undocumented, so it is then skipped.
    other_consents = Consent.objects.filter(
        connection=revocation.connection, state=State.ACTIVE, subject=revocation.subject
    )
    if oauth_app is not None and not is_expired and not other_consents.exists():
        context = build_client_context(revocation.connection, Lane.PEOPLE)
        try:
            token = reveal_secret(revocation.refresh_token)
            OAUTH_FLOW.revoke_token(context, oauth_app, token)
        except SecretUnreadable:
            pass
        except (AtsUnavailable, RateLimited) as error:
            retry_at = error.retry_at or timezone.now() + timedelta(minutes=1)
            raise queue.RetryLater(retry_at) from error
    revocation.delete()


def requeue_lost_revocations() -> None:
    long_ago = timezone.now() - REQUEUE_AFTER
    lost = TokenRevocation.objects.filter(created_at__lt=long_ago)
    rows = lost.values_list("pk", "connection__organization_id")[:200]
    queue.requeue_lost_tasks(REVOKE_TASK, dict(rows))


def drop_restored_revocations() -> str:
    """Revoke no token of a restored backup: it was revoked, or has been replaced since."""
    count, _ = TokenRevocation.objects.all().delete()
    return f"{count} revocations of tokens were dropped."
