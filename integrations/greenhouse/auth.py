"""Who we are to Greenhouse v3 by client credentials: tokens, one per acting user.

Source: Greenhouse's documentation (client credentials with an optional `sub`). Inferred: that
asking for another token leaves earlier ones valid.
"""

from __future__ import annotations

import threading
from hashlib import sha256

import msgspec

from integrations.ats.errors import (
    ActingUserRefused,
    AtsDown,
    AtsError,
    BadCredential,
    Evidence,
    MissingPermission,
)
from integrations.ats.wiring import Wiring
from integrations.greenhouse.endpoint import ASSUMED_LIFE, Claims, Endpoint, read_granted
from integrations.greenhouse.line import Explain
from integrations.greenhouse.refusals import Refusal
from integrations.http.client import Answer, Http

RENEW_BEFORE = 60.0
_MINTING = 20.0  # how long others wait for the one who fetches a token
STEP = 0.1
_NO_SCOPES = "not requesting any scopes"


class NoScopes(MissingPermission):
    """The client credential is right, but no scope at all is ticked for it."""

    def __init__(self, *, evidence: Evidence) -> None:
        super().__init__(
            "", "No scope is ticked yet for this credential in Greenhouse.", evidence=evidence
        )


class _Kept(msgspec.Struct, array_like=True):
    token: str = ""
    expires: float = 0.0
    minting_until: float = 0.0


class _Wait(Exception):
    """Another process is fetching this token."""


class Tokens:
    """Access tokens of one client credential, one per acting user, shared by all processes."""

    def __init__(self, wiring: Wiring, http: Http, client_id: str, client_secret: str) -> None:
        self._wiring = wiring
        # The token store may be read by others on the machine: name keys by a digest only.
        digest = sha256(f"{client_id}:{client_secret}".encode()).hexdigest()[:16]
        self._prefix = f"{wiring.key}:token:{digest}"
        self._endpoint = Endpoint(wiring, http, client_id, client_secret, key=wiring.key)
        self._known: dict[str | None, _Kept] = {}  # what the store gave, to ask it once
        # Threads of this process queue here; only other processes are waited for by looking.
        self._turn = threading.Lock()

    def token(self, sub: str | None, *, until: float) -> str:
        """A token that lives for another minute at least, fetched only where none is kept.

        `sub` is a Greenhouse user id (None: the credential's own service user); `until` the epoch
        second that ends the operation. Raises BadCredential, ActingUserRefused (Greenhouse gives
        no token for `sub`), NoScopes, AtsDown, RateLimited or UnreadableAnswer.
        """
        known = self._known.get(sub, _Kept())
        if self._lives(known):
            return known.token
        if not self._turn.acquire(timeout=max(0.0, until - self._wiring.now())):
            raise AtsDown
        try:
            kept = self._wait_for(sub, until) or self._fetch(sub, until)
        finally:
            self._turn.release()
        self._known[sub] = kept
        return kept.token

    def _lives(self, kept: _Kept) -> bool:
        return bool(kept.token) and kept.expires - RENEW_BEFORE > self._wiring.now()

    def forget(self, sub: str | None, token: str) -> None:
        """Greenhouse did not accept this token: drop it, unless it was renewed meanwhile."""

        def change(raw: bytes | None) -> tuple[bytes | None, None]:
            return (None if _read(raw).token == token else raw), None

        self._known.pop(sub, None)
        self._wiring.tokens.update(self._key(sub), change, ttl=ASSUMED_LIFE)

    def claims(self, token: str, *, until: float) -> Claims:
        """What the token says, by its own claims or by introspection (once per token)."""
        return self._endpoint.claims(token, until=until)

    def _wait_for(self, sub: str | None, until: float) -> _Kept | None:
        """The kept token, after whoever else is fetching it; None where we are to fetch it."""
        while True:
            try:
                return self._look(sub)
            except _Wait:
                if self._wiring.now() + STEP > until:
                    raise AtsDown from None
                self._wiring.sleep(STEP)

    def _look(self, sub: str | None) -> _Kept | None:
        """The kept token; None where the caller is the one to fetch it. Raises _Wait."""
        now = self._wiring.now()

        def change(raw: bytes | None) -> tuple[bytes | None, _Kept | None]:
            kept = _read(raw)
            if self._lives(kept) or now < kept.minting_until <= now + _MINTING:
                return raw, kept
            return msgspec.msgpack.encode(_Kept(minting_until=now + _MINTING)), None

        found = self._wiring.tokens.update(self._key(sub), change, ttl=_MINTING)
        if found is not None and not found.token:
            raise _Wait
        return found

    def _fetch(self, sub: str | None, until: float) -> _Kept:
        try:
            token, life = self._mint(sub, until)
        except BaseException:
            self._keep(sub, None, 1.0)
            raise
        kept = _Kept(token=token, expires=self._wiring.now() + life)
        self._keep(sub, msgspec.msgpack.encode(kept), life)
        return kept

    def _mint(self, sub: str | None, until: float) -> tuple[str, float]:
        form = {"grant_type": "client_credentials"} | ({"sub": sub} if sub else {})
        answer = self._endpoint.ask("/token", form, until=until, explain=_explain_for(sub))
        body = read_granted(answer)
        return body.access_token, body.life(self._wiring.now())

    def _keep(self, sub: str | None, raw: bytes | None, ttl: float) -> None:
        self._wiring.tokens.update(self._key(sub), lambda _: (raw, None), ttl=ttl)

    def _key(self, sub: str | None) -> str:
        return f"{self._prefix}:{sub or 'service'}"


def _explain_for(sub: str | None) -> Explain:
    def explain(answer: Answer, refusal: Refusal, evidence: Evidence) -> AtsError:
        if _NO_SCOPES in refusal.message:
            return NoScopes(evidence=evidence)
        if sub and "invalid_client" not in refusal.message:
            return ActingUserRefused(
                "Greenhouse gives no access in the name of this Greenhouse user: the user may be "
                "deactivated or gone.",
                evidence=evidence,
            )
        return BadCredential(
            "Greenhouse does not accept this client ID and secret.", evidence=evidence
        )

    return explain


def _read(raw: bytes | None) -> _Kept:
    if raw is None:
        return _Kept()
    try:
        return msgspec.msgpack.decode(raw, type=_Kept)
    except msgspec.MsgspecError:
        return _Kept()
