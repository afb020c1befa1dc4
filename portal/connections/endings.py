"""The end of a consent that we no longer want: emptied here, and given up in Greenhouse."""

from __future__ import annotations

from functools import partial

from django.db import transaction

from integrations.ats.consent import Pair
from integrations.ats.wiring import Lane
from portal.accounts.models import Membership, User
from portal.connections import partner
from portal.connections.chains import finish, pair_of
from portal.connections.models import Connection, Consent, Credential
from portal.connections.open import wiring_for
from portal.core.secrets import SecretUnreadable

State = Consent.State


def end(consent: Consent, *, why: str, by: User | None) -> bool:
    """Empty it, and once that is stored give its tokens up in Greenhouse. False: it had ended."""
    pair = _pair(consent)
    if not finish(consent, why=why, by=by):
        return False
    if pair is not None:
        give_up_now = partial(give_up, consent.connection, pair, subject=consent.subject)
        transaction.on_commit(give_up_now, robust=True)
    return True


def end_with(credential: Credential, *, why: str, by: User | None) -> None:
    """End the consent of a credential that is being destroyed."""
    for consent in Consent.objects.filter(credential=credential, state=State.LIVING):
        end(consent, why=why, by=by)


def end_of(membership: Membership, by: User | None) -> None:
    """End what somebody agreed to who was taken out."""
    for consent in Consent.objects.filter(membership=membership, state=State.LIVING):
        end(consent, why="the person was taken out", by=by)


def end_all(connection: Connection, *, why: str, by: User | None) -> None:
    """End every consent of a connection, people's own as well."""
    for consent in Consent.objects.filter(connection=connection, state=State.LIVING):
        end(consent, why=why, by=by)


def _pair(consent: Consent) -> Pair | None:
    try:
        return pair_of(consent)
    except SecretUnreadable:
        return None


def give_up(connection: Connection, pair: Pair, *, subject: int | None) -> None:
    """Tell Greenhouse that these tokens are no longer wanted. What it says changes nothing.

    Not while another consent of the same user lives: what that would do to it is not public.
    """
    others = Consent.objects.filter(connection=connection.pk, state=State.LIVING, subject=subject)
    application = partner.partner()
    if application is not None and not others.exists():
        partner.door().revoke(wiring_for(connection, Lane.PEOPLE), application, pair)
