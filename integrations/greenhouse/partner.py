"""Harvest v3 by consent: the tokens of the reading consent and of people who agreed to act.

Source: Greenhouse's guide for partners (code a minute, access token an hour, refresh token a day
and replaced at each use, Basic client) and its help pages (a consent is a service account's, for
Site Admins only, or the person's own, in whose name everything then happens). Seen: `invalid_grant`
for what is spent. Inferred: PKCE (the guide does not speak of it; RFC 6749 has servers ignore what
they do not know), `sub` in the token as the person's id, and `/revoke` (RFC 7009).
"""

from __future__ import annotations

import base64
import threading
from collections.abc import Iterable
from hashlib import sha256
from urllib.parse import urlencode

from integrations.ats.consent import (
    SERVICE_ACCOUNT,
    Agreed,
    Chain,
    CodeRefused,
    Pair,
    Partner,
)
from integrations.ats.errors import (
    ActingUserRefused,
    AtsDown,
    AtsError,
    BadCredential,
    Evidence,
    OutcomeUnknown,
    RateLimited,
)
from integrations.ats.wiring import Wiring
from integrations.greenhouse.ask import Ask
from integrations.greenhouse.auth import STEP
from integrations.greenhouse.endpoint import Claims, Endpoint, Granted, read_granted
from integrations.greenhouse.harvest_v3 import HarvestV3, TokenSource
from integrations.greenhouse.refusals import Refusal
from integrations.http.client import Answer, Http

REFRESH_LIFE = 24 * 3600.0  # documented; no answer tells it
_ANSWER_WITHIN = 10.0
_TURN = 90.0  # how long a turn is kept for whoever took it: longer than the answer may take
_EARLY = 150.0  # seconds before an access token's end, so that a lost answer stops nobody

OVER = "The consent in Greenhouse has ended: it was taken back there, or not renewed in time."
NOT_OURS = (
    "Greenhouse does not know this portal's own application. Whoever runs the portal must look at "
    "the partner settings."
)
NOBODY = "You have not agreed in Greenhouse that this portal acts in your name."
OWN_OVER = "Your own consent in Greenhouse has ended. Please give it again."


class _Spent(BadCredential):
    """Greenhouse does not take this refresh token."""


def _endpoint(wiring: Wiring, http: Http, client_id: str, client_secret: str) -> Endpoint:
    """One rate window for all connections: the application is the same."""
    digest = sha256(client_id.encode()).hexdigest()[:16]
    return Endpoint(wiring, http, client_id, client_secret, key=f"partner:{digest}")


class ConsentTokens:
    """Access tokens of the consents that a connection knows, renewed by one process at a time."""

    def __init__(self, wiring: Wiring, endpoint: Endpoint) -> None:
        self._wiring = wiring
        self._endpoint = endpoint
        self._kept: dict[str | None, Pair] = {}
        self._refused: set[str] = set()  # access tokens that Greenhouse no longer takes
        self._turn = threading.Lock()

    def token(self, sub: str | None, *, until: float) -> str:
        """A token that works in this user's name (None: the connection's own consent).

        Raises BadCredential or, in a person's name, ActingUserRefused where there is no consent
        (any more); AtsDown, RateLimited or UnreadableAnswer where it cannot be renewed just now.
        """
        kept = self._kept.get(sub)
        if kept is not None and self._lives(kept, _EARLY):
            return kept.access_token
        with self._turn:
            try:
                self._kept[sub] = self._renewed(self._chain(sub), until)
            except BadCredential as error:
                if sub is None:
                    raise
                raise ActingUserRefused(OWN_OVER, evidence=error.evidence) from error
        return self._kept[sub].access_token

    def forget(self, sub: str | None, token: str) -> None:
        """Greenhouse did not accept this access token: do not use it again."""
        self._refused.add(token)
        self._kept.pop(sub, None)

    def claims(self, token: str, *, until: float) -> Claims:
        """What the token says of itself, or introspection does."""
        return self._endpoint.claims(token, until=until)

    def _chain(self, sub: str | None) -> Chain:
        chains = self._wiring.chains
        chain = chains.of(int(sub) if sub else None) if chains else None
        if chain is None:
            raise BadCredential(OVER) if sub is None else ActingUserRefused(NOBODY)
        return chain

    def _lives(self, pair: Pair, margin: float = 0.0) -> bool:
        left = pair.access_until - margin > self._wiring.now()
        return left and pair.access_token not in self._refused

    def _renewed(self, chain: Chain, until: float) -> Pair:
        """A pair whose access token lives, renewed by us or by whoever has the turn."""
        while True:
            pair = chain.present()
            if self._lives(pair, _EARLY):
                return pair
            now = self._wiring.now()
            if chain.take(pair.number, now=now, until=now + _TURN):
                return self._next(chain, pair)
            if self._lives(pair):
                return pair
            if self._wiring.now() + STEP > until:
                raise AtsDown
            self._wiring.sleep(STEP)

    def _next(self, chain: Chain, pair: Pair) -> Pair:
        try:
            return next_pair(self._wiring, self._endpoint, chain, pair)
        except (AtsDown, RateLimited):
            if self._lives(pair):
                return pair
            raise


def next_pair(wiring: Wiring, endpoint: Endpoint, chain: Chain, pair: Pair) -> Pair:
    """Use the refresh token whose turn is ours, and keep the answer with the turn's end.

    Where the answer is lost the turn stays taken until it runs out: then it is tried once more.
    """
    form = {"grant_type": "refresh_token", "refresh_token": pair.refresh_token}
    until = wiring.now() + _ANSWER_WITHIN
    try:
        answer = endpoint.ask("/token", form, until=until, explain=_no_renewal, spends=True)
    except _Spent as error:
        chain.over(pair.number, OVER)
        raise BadCredential(OVER, evidence=error.evidence) from error
    except OutcomeUnknown as error:
        raise AtsDown(evidence=error.evidence) from error
    except BadCredential:
        if pair.refresh_until < wiring.now():
            chain.over(pair.number, OVER)
        chain.give_back(pair.number)
        raise
    except (AtsDown, RateLimited):
        chain.give_back(pair.number)
        raise
    new = _pair(read_granted(answer), wiring.now(), pair.number + 1, before=pair)
    chain.put(new)
    return new


def _pair(body: Granted, now: float, number: int, before: Pair | None = None) -> Pair:
    kept = before.refresh_token if before else ""  # RFC 6749 lets an answer carry no new one
    return Pair(
        number=number,
        access_token=body.access_token,
        access_until=now + body.life(now),
        refresh_token=body.refresh_token or kept,
        refresh_until=now + REFRESH_LIFE,
    )


def _no_renewal(answer: Answer, refusal: Refusal, evidence: Evidence) -> AtsError:
    """Only `invalid_grant` says that the refresh token is no good; other words leave it alone."""
    if "invalid_grant" in refusal.message:
        return _Spent(OVER, evidence=evidence)
    if answer.status == 401 or "client" in refusal.message:
        return BadCredential(NOT_OURS, evidence=evidence)
    words = "Greenhouse did not renew the consent and does not say why."
    return BadCredential(words, evidence=evidence)


def _no_code(answer: Answer, refusal: Refusal, evidence: Evidence) -> AtsError:
    if answer.status == 401 or "client" in refusal.message:
        return BadCredential(NOT_OURS, evidence=evidence)
    return CodeRefused("Greenhouse does not accept the code of this consent.", evidence=evidence)


class HarvestPartner(HarvestV3):
    """`integrations.ats.port.Provider` on Harvest v3 by consent.

    `secrets`: the partner's `client_id` and `client_secret`. Lists are read with the connection's
    own consent; a write goes out with that of the person who acts, or for SERVICE_ACCOUNT with the
    connection's own.
    """

    kind = "harvest_partner"

    def _source(self, client_id: str, client_secret: str) -> TokenSource:
        endpoint = _endpoint(self._wiring, self._http, client_id, client_secret)
        return ConsentTokens(self._wiring, endpoint)

    def _sub(self, ask: Ask) -> str | None:
        return None if ask.acting_user_id == SERVICE_ACCOUNT else super()._sub(ask)


class _Consent:
    """`integrations.ats.consent.ConsentDoor` of Greenhouse."""

    def address(
        self, partner: Partner, auth_url: str, *, scopes: Iterable[str], state: str, verifier: str
    ) -> str:
        """See ConsentDoor."""
        values = {
            "response_type": "code",
            "client_id": partner.client_id,
            "redirect_uri": partner.redirect_uri,
            "scope": " ".join(sorted(scopes)),
            "state": state,
        }
        if partner.pkce:
            digest = base64.urlsafe_b64encode(sha256(verifier.encode()).digest())
            challenge = digest.decode().rstrip("=")
            values |= {"code_challenge": challenge, "code_challenge_method": "S256"}
        return f"{auth_url.rstrip('/')}/authorize?{urlencode(values)}"

    def redeem(self, wiring: Wiring, partner: Partner, *, code: str, verifier: str) -> Agreed:
        """See ConsentDoor. The code is sent once: a second time would end what came of it."""
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": partner.redirect_uri,
        } | ({"code_verifier": verifier} if partner.pkce else {})
        until = wiring.now() + _ANSWER_WITHIN
        endpoint = _endpoint(wiring, Http(), partner.client_id, partner.client_secret)
        try:
            answer = endpoint.ask("/token", form, until=until, explain=_no_code, spends=True)
        except OutcomeUnknown as error:
            raise AtsDown(evidence=error.evidence) from error
        body = read_granted(answer)
        told = endpoint.claims(body.access_token, until=until)
        return Agreed(
            pair=_pair(body, wiring.now(), 1),
            subject=told.subject,
            scopes=_scopes(body) or told.scopes,
        )

    def renew(self, wiring: Wiring, partner: Partner, chain: Chain, *, number: int) -> Pair:
        """See ConsentDoor."""
        pair = chain.present()
        now = wiring.now()
        if pair.number != number or not chain.take(pair.number, now=now, until=now + _TURN):
            return chain.present()
        endpoint = _endpoint(wiring, Http(), partner.client_id, partner.client_secret)
        return next_pair(wiring, endpoint, chain, pair)

    def revoke(self, wiring: Wiring, partner: Partner, pair: Pair) -> bool:
        """See ConsentDoor. That Greenhouse has such an address is inferred."""
        form = {"token": pair.refresh_token, "token_type_hint": "refresh_token"}
        endpoint = _endpoint(wiring, Http(), partner.client_id, partner.client_secret)
        until = wiring.now() + _ANSWER_WITHIN
        try:
            # An empty answer is a good one here.
            endpoint.ask("/revoke", form, until=until, explain=_no_renewal, once=True, spends=True)
        except AtsError:
            return False
        return True


def _scopes(body: Granted) -> frozenset[str] | None:
    named = body.scope.split() if isinstance(body.scope, str) else body.scope
    return frozenset(named) if named else None


CONSENT = _Consent()
