"""Asking for a consent in Greenhouse, and taking what comes back: once, and by who asked."""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from dataclasses import dataclass

from django.contrib.sessions.backends.base import SessionBase
from django.db import transaction
from django.utils import timezone

from integrations.ats.consent import Agreed, MemoryChain, Partner
from integrations.ats.errors import AtsError, NotSiteAdmin
from integrations.ats.wiring import Lane
from portal.accounts.models import Membership, User
from portal.connections import endings, partner, renewal
from portal.connections.chains import columns
from portal.connections.enter import (
    AnotherAccount,
    AnotherPerson,
    NoSiteAdmin,
    Refused,
    SameAccount,
    make_way,
)
from portal.connections.models import Connection, Consent, ConsentRequest, Credential
from portal.connections.open import open_on_trial, wiring_for
from portal.core.links import digest, new_token
from portal.core.secrets import fingerprint, revealed

_IN_SESSION = "greenhouse_consent"
_OWN_IN_SESSION = "greenhouse_consent_own"  # digests of what was asked for oneself, newest last
_MOST_OWN = 5


class NotExpected(Exception):
    """What came back was not asked for by this person in this session, or was used already.

    `own`: as far as is known, it was asked for the person themselves.
    """

    def __init__(self, *, own: bool = False) -> None:
        self.own = own
        super().__init__()


def ask(member: Membership, connection: Connection, session: SessionBase, *, own: bool) -> str:
    """Remember that this person was sent to agree; gives the address to send them to.

    `own`: for the person themselves, not for the connection. What was asked before in the same
    session no longer counts.
    """
    application = _application()
    state, held, verifier = new_token(), new_token(), secrets.token_urlsafe(64)
    scopes = sorted(partner.own_scopes() if own else partner.scopes())
    session[_IN_SESSION] = held
    if own:
        session[_OWN_IN_SESSION] = [*session.get(_OWN_IN_SESSION, []), digest(state)][-_MOST_OWN:]
    ConsentRequest.objects.filter(membership=member).delete()
    ConsentRequest.objects.create(
        connection=connection,
        membership=member,
        own=own,
        digest=digest(state),
        session=digest(held),
        verifier=verifier,
        scopes=scopes,
    )
    return partner.door().address(
        application,
        wiring_for(connection, Lane.PEOPLE).auth_url,
        scopes=scopes,
        state=state,
        verifier=verifier,
    )


def came_back(member: Membership, session: SessionBase, state: str) -> ConsentRequest:
    """The request that this state answers; it counts once. Raises NotExpected."""
    request = (
        ConsentRequest.objects.select_related("connection__organization", "membership__user")
        .filter(
            digest=digest(state),
            membership=member,
            connection__organization=member.organization_id,
        )
        .first()
    )
    if request is None:  # perhaps replaced by a newer one
        raise NotExpected(own=digest(state) in session.get(_OWN_IN_SESSION, []))
    held = session.get(_IN_SESSION, "")
    if request.is_late or request.session != digest(held):
        raise NotExpected(own=request.own)
    unused = ConsentRequest.objects.filter(pk=request.pk, used_at=None)
    if not unused.update(used_at=timezone.now()):
        raise NotExpected(own=request.own)
    session.pop(_IN_SESSION, None)
    return request


def redeem(request: ConsentRequest, code: str) -> Agreed:
    """Change the code for tokens, at once: it lives a minute. Raises AtsError (CodeRefused)."""
    wiring = wiring_for(request.connection, Lane.PEOPLE)
    verifier = revealed(request.verifier)
    return partner.door().redeem(wiring, _application(), code=code, verifier=verifier)


@dataclass(frozen=True)
class _Only:
    """The chain of a consent that is stored nowhere yet."""

    chain: MemoryChain

    def of(self, acting_user_id: int | None) -> MemoryChain:
        return self.chain


def connect(
    request: ConsentRequest, told: Agreed, *, by: User, same_account: SameAccount, beside: bool
) -> Credential:
    """Make a consent the connection's credential; what was in use is replaced, or goes on beside.

    Raises Refused (NoSiteAdmin, AnotherAccount, Ended), with what was there left intact and the new
    consent given up.
    """
    connection = request.connection
    try:
        _look(connection, told, same_account)
        credential = _save(request, told, by=by, beside=beside)
    except Refused:
        endings.give_up(connection, told.pair, subject=told.subject)
        raise
    renewal.settle(credential.consent)
    return credential


def act_as(request: ConsentRequest, told: Agreed, *, greenhouse_user: int | None) -> Consent:
    """Keep a person's own consent, in place of an earlier one.

    Raises AnotherPerson, with the new consent given up, where it is not certainly that of their own
    user in Greenhouse: acting as somebody else, or in another account, must not happen.
    """
    member = request.membership
    if told.subject is None or told.subject != greenhouse_user:
        endings.give_up(request.connection, told.pair, subject=told.subject)
        raise AnotherPerson("", "This was not agreed to by the person's own user in Greenhouse.")
    with transaction.atomic():
        Connection.objects.select_for_update().get(pk=request.connection_id)
        for old in Consent.objects.filter(membership=member, state=Consent.State.LIVING):
            endings.end(old, why="given again", by=member.user)
        return _store(request, told, by=member.user, membership=member)


def _look(connection: Connection, told: Agreed, same_account: SameAccount) -> None:
    """Whether it reads at all, and reads the account that is connected."""
    application, chains = _application(), _Only(MemoryChain(told.pair))
    given = {"client_id": application.client_id, "client_secret": application.client_secret}
    provider = open_on_trial(connection, partner.KIND, given, key="consent", chains=chains)
    try:
        provider.try_credential()
        seen = provider.probe("users.list")
        sample = provider.account_sample()
    except AtsError as error:
        raise Refused("", error.sentence) from error
    if seen.cause == NotSiteAdmin.__name__:
        raise NoSiteAdmin("", "Whoever agreed is no Site Admin in Greenhouse.")
    if not same_account(sample):
        raise AnotherAccount("", "This is another Greenhouse account than the connected one.")


@transaction.atomic
def _save(request: ConsentRequest, told: Agreed, *, by: User, beside: bool) -> Credential:
    connection = request.connection
    make_way(connection, by=by, beside=beside)
    credential = Credential.objects.create(
        connection=connection,
        kind=partner.KIND,
        secret="",
        last_four="",
        fingerprint=fingerprint(partner.KIND, told.pair.refresh_token),
        state=Credential.State.BESIDE if beside else Credential.State.IN_USE,
        entered_by=by,
    )
    _store(request, told, by=by, credential=credential)
    return credential


def _store(
    request: ConsentRequest, told: Agreed, *, by: User, **whose: Credential | Membership
) -> Consent:
    return Consent.objects.create(
        connection=request.connection,
        subject=told.subject,
        scopes=agreed_to(request.scopes, told),
        given_by=by,
        **columns(told.pair),
        **whose,
    )


def agreed_to(asked: Iterable[str], told: Agreed) -> list[str]:
    """What was asked for and, where Greenhouse says what it gave, given."""
    return sorted(set(asked) & told.scopes if told.scopes is not None else set(asked))


def _application() -> Partner:
    application = partner.partner()
    if application is None:
        raise NotExpected
    return application
