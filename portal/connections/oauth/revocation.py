from __future__ import annotations

from functools import partial

from django.db import transaction

from integrations.ats.client_context import Lane
from integrations.ats.oauth_tokens import TokenPair
from portal.accounts.models import Membership, User
from portal.connections.client import build_client_context
from portal.connections.models import Connection, Consent, Credential
from portal.connections.oauth import partner_app
from portal.connections.oauth.tokens import mark_consent_ended, read_token_pair
from portal.core.secrets import SecretUnreadable

State = Consent.State


def revoke_consent(consent: Consent, *, why: str, by: User | None) -> bool:
    """Erase the tokens, and revoke them at Greenhouse after commit. False if already ended."""
    pair = _try_read_tokens(consent)
    if not mark_consent_ended(consent, why=why, by=by):
        return False
    if pair is not None:
        revoke_now = partial(revoke_tokens, consent.connection, pair, subject=consent.subject)
        transaction.on_commit(revoke_now, robust=True)
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


def revoke_tokens(connection: Connection, pair: TokenPair, *, subject: int | None) -> None:
    """Revoke tokens at Greenhouse, ignoring its answer."""
    # What this does to another consent of the same user is undocumented, so it is then skipped.
    other_consents = Consent.objects.filter(
        connection=connection.pk, state=State.ACTIVE, subject=subject
    )
    oauth_app = partner_app.get_oauth_app()
    if oauth_app is not None and not other_consents.exists():
        partner_app.get_oauth_flow().revoke_tokens(
            build_client_context(connection, Lane.PEOPLE), oauth_app, pair
        )
