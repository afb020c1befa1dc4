"""In whose name a click goes out, where the connection is a consent.

With the other credentials Greenhouse lets us act as anybody. By consent it does not: each person
agrees once that the portal acts as them (Greenhouse calls that authorizing without a service
account), or the organization's admin allows the service account to act until they have.
"""

from __future__ import annotations

from dataclasses import dataclass

from portal.accounts.models import Membership, User
from portal.connections import endings, partner
from portal.connections.models import Connection, Consent
from portal.mirror.models import AtsUser

State = Consent.State
AS_SERVICE_ACCOUNT = "as the service account"
SERVICE_ACCOUNT_SHOWN = "the service account’s name, not yours"


@dataclass(frozen=True)
class Acting:
    """`needed`: consent is needed at all. `own`: the person has given theirs."""

    needed: bool = False
    own: bool = False
    service_account: bool = False  # allowed, for whoever has not agreed

    @property
    def why_not(self) -> str:
        """Why no button works for this person; "" where they do."""
        if not self.needed or self.own or self.service_account:
            return ""
        return (
            "Agree in Greenhouse first that this portal acts in your name: under Account, "
            "Acting in Greenhouse. It takes one click, once."
        )

    @property
    def by_service_account(self) -> bool:
        return self.needed and not self.own and self.service_account


def shown_as(acting: Acting, user: AtsUser | None) -> str:
    """Whose name Greenhouse will show for a click, within a sentence."""
    if acting.by_service_account:
        return SERVICE_ACCOUNT_SHOWN
    return f"your name: {user}" if user is not None else "nobody’s name"


def acting(member: Membership, connection: Connection | None) -> Acting:
    """How this member's clicks go out through this connection."""
    if connection is None or not partner.is_on():
        return Acting()
    credential = connection.credential
    if credential is None or not credential.is_consent:
        return Acting()
    return Acting(
        needed=True,
        own=own_consent(member) is not None,
        service_account=connection.service_account_acts,
    )


def own_consent(member: Membership) -> Consent | None:
    """The member's own consent, None before they agreed or after it ended."""
    return Consent.objects.filter(membership=member, state=State.LIVING).first()


def take_back(member: Membership, *, by: User) -> bool:
    """End the member's own consent. False when there is none."""
    consent = own_consent(member)
    return consent is not None and endings.end(consent, why="taken back by the person", by=by)
