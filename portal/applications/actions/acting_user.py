"""Which Greenhouse user an action is performed as. With an OAuth consent each person first
authorizes the portal, or an admin lets the service account act until they do; other credentials
let the portal act as anybody.
"""

from __future__ import annotations

from dataclasses import dataclass

from portal.accounts.models import Membership, User
from portal.connections.models import Connection, Consent
from portal.connections.oauth import partner_app, revocation
from portal.sync.models import AtsUser

ConsentState = Consent.State
AS_SERVICE_ACCOUNT = "as the service account"
SERVICE_ACCOUNT_LABEL = "under the service account's name, not yours"


@dataclass(frozen=True)
class ActingUser:
    needed: bool = False
    has_consent: bool = False
    service_account: bool = False  # may act for people without a consent

    @property
    def why_not(self) -> str:
        """Why this person cannot act; empty if they can."""
        if not self.needed or self.has_consent or self.service_account:
            return ""
        return (
            "First authorize this portal in Greenhouse to act under your name: Account › Acting in "
            "Greenhouse. You only do this once."
        )

    @property
    def uses_service_account(self) -> bool:
        return self.needed and not self.has_consent and self.service_account


def describe_acting_user(acting_user: ActingUser, user: AtsUser | None) -> str:
    """Under which name an action happens in Greenhouse, for use within a sentence."""
    if acting_user.uses_service_account:
        return SERVICE_ACCOUNT_LABEL
    return f"under your name ({user})" if user is not None else "without a name"


def get_acting_user(member: Membership, connection: Connection | None) -> ActingUser:
    if connection is None or not partner_app.is_configured():
        return ActingUser()
    credential = connection.credential
    if credential is None or not credential.is_consent:
        return ActingUser()
    return ActingUser(
        needed=True,
        has_consent=get_own_consent(member) is not None,
        service_account=connection.service_account_acts,
    )


def get_own_consent(member: Membership) -> Consent | None:
    return Consent.objects.filter(membership=member, state=ConsentState.ACTIVE).first()


def revoke_own_consent(member: Membership, *, by: User) -> bool:
    consent = get_own_consent(member)
    return consent is not None and revocation.revoke_consent(
        consent, why="revoked by the person", by=by
    )
