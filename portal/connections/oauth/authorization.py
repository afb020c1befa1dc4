from __future__ import annotations

import secrets
from collections.abc import Iterable
from dataclasses import dataclass

from django.contrib.sessions.backends.base import SessionBase
from django.db import transaction
from django.utils import timezone

from integrations.ats.client_context import Lane
from integrations.ats.errors import AtsError, NotSiteAdmin
from integrations.ats.oauth import OAuthApp, OAuthGrant
from integrations.ats.oauth_tokens import MemoryTokenStore
from integrations.greenhouse.oauth.authorization_flow import OAUTH_FLOW
from portal.accounts.models import Membership, User
from portal.connections.client import build_client_context, open_trial_provider
from portal.connections.credentials.store import (
    AccountMatcher,
    AuthorizerNotSiteAdmin,
    CredentialRefused,
    DifferentAccount,
    DifferentPerson,
    destroy_replaced_credentials,
)
from portal.connections.models import Connection, Consent, ConsentRequest, Credential
from portal.connections.oauth import partner_app, renewal, revocation
from portal.connections.oauth.tokens import build_token_fields
from portal.core.secrets.link_tokens import generate_token, hash_token
from portal.core.secrets.secret_field import fingerprint_secrets, reveal_secret

_SESSION_KEY = "greenhouse_consent"
# Digests of the states of personal requests, newest last.
_PERSONAL_SESSION_KEY = "greenhouse_consent_own"
_MAX_PERSONAL_REQUESTS = 5


class UnexpectedCallback(Exception):
    """No unused request of this person and session matches. `is_personal`: as far as known."""

    def __init__(self, *, is_personal: bool = False) -> None:
        self.is_personal = is_personal
        super().__init__()


def start_authorization(
    member: Membership, connection: Connection, session: SessionBase, *, is_personal: bool
) -> str:
    """Store a request, replacing earlier ones, and return Greenhouse's URL for it."""
    oauth_app = _require_oauth_app()
    state, session_token, verifier = generate_token(), generate_token(), secrets.token_urlsafe(64)
    scopes = sorted(
        partner_app.list_personal_scopes() if is_personal else partner_app.list_requested_scopes()
    )
    session[_SESSION_KEY] = session_token
    if is_personal:
        session[_PERSONAL_SESSION_KEY] = [
            *session.get(_PERSONAL_SESSION_KEY, []),
            hash_token(state),
        ][-_MAX_PERSONAL_REQUESTS:]
    ConsentRequest.objects.filter(membership=member).delete()
    ConsentRequest.objects.create(
        connection=connection,
        membership=member,
        is_personal=is_personal,
        digest=hash_token(state),
        session_digest=hash_token(session_token),
        verifier=verifier,
        scopes=scopes,
    )
    return OAUTH_FLOW.build_authorization_url(
        oauth_app,
        build_client_context(connection, Lane.PEOPLE).auth_url,
        scopes=scopes,
        state=state,
        verifier=verifier,
    )


def claim_request(member: Membership, session: SessionBase, state: str) -> ConsentRequest:
    """Return the request with this state and mark it used. Raises UnexpectedCallback."""
    request = (
        ConsentRequest.objects.select_related("connection__organization", "membership__user")
        .filter(
            digest=hash_token(state),
            membership=member,
            connection__organization=member.organization_id,
        )
        .first()
    )
    if request is None:  # perhaps replaced by a newer one
        raise UnexpectedCallback(
            is_personal=hash_token(state) in session.get(_PERSONAL_SESSION_KEY, [])
        )
    session_token = session.get(_SESSION_KEY, "")
    if request.is_expired or request.session_digest != hash_token(session_token):
        raise UnexpectedCallback(is_personal=request.is_personal)
    unused = ConsentRequest.objects.filter(pk=request.pk, used_at=None)
    if not unused.update(used_at=timezone.now()):
        raise UnexpectedCallback(is_personal=request.is_personal)
    session.pop(_SESSION_KEY, None)
    return request


def exchange_code(request: ConsentRequest, code: str) -> OAuthGrant:
    """The code is valid for a minute. Raises AtsError (AuthorizationCodeRejected)."""
    context = build_client_context(request.connection, Lane.PEOPLE)
    verifier = reveal_secret(request.verifier)
    return OAUTH_FLOW.exchange_code(context, _require_oauth_app(), code=code, verifier=verifier)


@dataclass(frozen=True)
class _SingleTokenStore:
    token_store: MemoryTokenStore

    def get(self, acting_user_id: int | None) -> MemoryTokenStore:
        return self.token_store


def store_connection_consent(
    request: ConsentRequest,
    grant: OAuthGrant,
    *,
    by: User,
    same_account: AccountMatcher,
    as_pending: bool,
) -> Credential:
    """Raises CredentialRefused, revoking the consent and keeping the old credential."""
    connection = request.connection
    try:
        _verify_account(connection, grant, same_account)
        credential = _replace_credential(request, grant, by=by, as_pending=as_pending)
    except CredentialRefused:
        revocation.request_revocation(connection, grant.pair.refresh_token, subject=grant.subject)
        raise
    renewal.close_expiry_issue(credential.consent)
    return credential


def store_personal_consent(
    request: ConsentRequest, grant: OAuthGrant, *, greenhouse_user: int | None
) -> Consent:
    """Raises DifferentPerson and revokes the consent unless it is surely the member's own."""
    member = request.membership
    if grant.subject is None or grant.subject != greenhouse_user:
        revocation.request_revocation(
            request.connection, grant.pair.refresh_token, subject=grant.subject
        )
        raise DifferentPerson("", "Someone else authorized this in Greenhouse.")
    with transaction.atomic():
        Connection.objects.select_for_update().get(pk=request.connection_id)
        for consent in Consent.objects.filter(membership=member, state=Consent.State.ACTIVE):
            revocation.revoke_consent(consent, why="given again", by=member.user)
        return _create_consent(request, grant, membership=member)


def _verify_account(
    connection: Connection, grant: OAuthGrant, same_account: AccountMatcher
) -> None:
    oauth_app, token_stores = _require_oauth_app(), _SingleTokenStore(MemoryTokenStore(grant.pair))
    app_credentials = {"client_id": oauth_app.client_id, "client_secret": oauth_app.client_secret}
    provider = open_trial_provider(
        connection, partner_app.KIND, app_credentials, key="consent", token_stores=token_stores
    )
    try:
        provider.verify_credential()
        user_probe = provider.probe_permission("users.list")
        sample = provider.get_account_sample()
    except AtsError as error:
        raise CredentialRefused("", error.sentence) from error
    if user_probe.cause == NotSiteAdmin.__name__:
        raise AuthorizerNotSiteAdmin(
            "", "The person who authorized isn't a Site Admin in Greenhouse."
        )
    if not same_account(sample):
        raise DifferentAccount("", "This is a different Greenhouse account than the connected one.")


@transaction.atomic
def _replace_credential(
    request: ConsentRequest, grant: OAuthGrant, *, by: User, as_pending: bool
) -> Credential:
    connection = request.connection
    destroy_replaced_credentials(connection, by=by, as_pending=as_pending)
    credential = Credential.objects.create(
        connection=connection,
        kind=partner_app.KIND,
        secret="",
        last_four="",
        fingerprint=fingerprint_secrets(partner_app.KIND, grant.pair.refresh_token),
        state=Credential.State.PENDING if as_pending else Credential.State.IN_USE,
        entered_by=by,
    )
    _create_consent(request, grant, credential=credential)
    return credential


def _create_consent(
    request: ConsentRequest, grant: OAuthGrant, **owner: Credential | Membership
) -> Consent:
    return Consent.objects.create(
        connection=request.connection,
        subject=grant.subject,
        scopes=filter_granted_scopes(request.scopes, grant),
        **build_token_fields(grant.pair),
        **owner,
    )


def filter_granted_scopes(requested: Iterable[str], grant: OAuthGrant) -> list[str]:
    """Requested scopes that were granted; all of them if Greenhouse does not say."""
    return sorted(set(requested) & grant.scopes if grant.scopes is not None else set(requested))


def _require_oauth_app() -> OAuthApp:
    oauth_app = partner_app.get_oauth_app()
    if oauth_app is None:
        raise UnexpectedCallback
    return oauth_app
