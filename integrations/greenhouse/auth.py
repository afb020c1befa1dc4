"""Who we are to Greenhouse: an API key (v1), or tokens per user (v3).

Source: Greenhouse's documentation (Basic key; client credentials with an optional `sub`).
Inferred and read defensively: the token's claims, the fields of the introspection endpoint, and
that asking for another token leaves earlier ones valid.
"""

from __future__ import annotations

import base64
import binascii
import threading
from hashlib import sha256
from urllib.parse import urlencode

import msgspec

from integrations.ats.errors import (
    ActingUserRefused,
    AtsDown,
    AtsError,
    BadCredential,
    Evidence,
    MissingPermission,
    UnreadableAnswer,
)
from integrations.ats.wiring import Wiring
from integrations.greenhouse.line import Explain, Line, Outgoing
from integrations.greenhouse.reading import moment
from integrations.greenhouse.refusals import Refusal
from integrations.http.client import Answer, Http

_TOKEN_WINDOW = 60.0  # documented: token requests have a window of their own
_RENEW_BEFORE = 60.0
_ASSUMED_LIFE = 900.0  # where the answer does not say; documented is about an hour
_MINTING = 20.0  # how long others wait for the one who fetches a token
_STEP = 0.1
_NO_SCOPES = "not requesting any scopes"


def basic(user: str, password: str = "") -> str:
    """The value of an `Authorization: Basic` header."""
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


class NoScopes(MissingPermission):
    """The client credential is right, but no scope at all is ticked for it."""

    def __init__(self, *, evidence: Evidence) -> None:
        super().__init__(
            "", "No scope is ticked yet for this credential in Greenhouse.", evidence=evidence
        )


class Claims(msgspec.Struct, frozen=True):
    """What a token says of itself. None = it does not say."""

    scopes: frozenset[str] | None = None
    site_admin: bool | None = None


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
        self._client = basic(client_id, client_secret)
        # The token store may be read by others on the machine: name keys by a digest only.
        digest = sha256(f"{client_id}:{client_secret}".encode()).hexdigest()[:16]
        self._prefix = f"{wiring.key}:token:{digest}"
        self._line = Line(
            wiring,
            http,
            key=f"{wiring.key}:token-budget",
            window=_TOKEN_WINDOW,
            secrets=(client_id, client_secret, self._client),
        )
        self._introspected: dict[str, Claims] = {}
        # Threads of this process queue here; only other processes are waited for by looking.
        self._turn = threading.Lock()

    def token(self, sub: str | None, *, until: float) -> str:
        """A token that lives for another minute at least, fetched only where none is kept.

        `sub` is a Greenhouse user id (None: the credential's own service user); `until` the epoch
        second that ends the operation. Raises BadCredential, ActingUserRefused (Greenhouse gives
        no token for `sub`), NoScopes, AtsDown, RateLimited or UnreadableAnswer.
        """
        if not self._turn.acquire(timeout=max(0.0, until - self._wiring.now())):
            raise AtsDown
        try:
            return self._wait_for(sub, until) or self._fetch(sub, until)
        finally:
            self._turn.release()

    def forget(self, sub: str | None, token: str) -> None:
        """Greenhouse did not accept this token: drop it, unless it was renewed meanwhile."""

        def change(raw: bytes | None) -> tuple[bytes | None, None]:
            return (None if _read(raw).token == token else raw), None

        self._wiring.tokens.update(self._key(sub), change, ttl=_ASSUMED_LIFE)

    def claims(self, token: str, *, until: float) -> Claims:
        """What the token says, by its own claims or by introspection (once per token)."""
        own = claims_of(token)
        if own.scopes is not None:
            return own
        if token not in self._introspected:
            self._introspected = {token: self._introspect(token, until)}
        return self._introspected[token]

    def _wait_for(self, sub: str | None, until: float) -> str:
        """The kept token, after whoever else is fetching it; "" where we are to fetch it."""
        while True:
            try:
                return self._look(sub)
            except _Wait:
                if self._wiring.now() + _STEP > until:
                    raise AtsDown from None
                self._wiring.sleep(_STEP)

    def _look(self, sub: str | None) -> str:
        """The kept token; "" where the caller is the one to fetch it. Raises _Wait."""
        now = self._wiring.now()

        def change(raw: bytes | None) -> tuple[bytes | None, str | None]:
            kept = _read(raw)
            if kept.token and kept.expires - _RENEW_BEFORE > now:
                return raw, kept.token
            if now < kept.minting_until <= now + _MINTING:
                return raw, None
            return msgspec.msgpack.encode(_Kept(minting_until=now + _MINTING)), ""

        found = self._wiring.tokens.update(self._key(sub), change, ttl=_MINTING)
        if found is None:
            raise _Wait
        return found

    def _fetch(self, sub: str | None, until: float) -> str:
        try:
            token, life = self._mint(sub, until)
        except BaseException:
            self._keep(sub, None, 1.0)
            raise
        kept = _Kept(token=token, expires=self._wiring.now() + life)
        self._keep(sub, msgspec.msgpack.encode(kept), life)
        return token

    def _mint(self, sub: str | None, until: float) -> tuple[str, float]:
        form = {"grant_type": "client_credentials"} | ({"sub": sub} if sub else {})
        request = self._form("/token", form)
        explain = _explain_for(sub)
        answer = self._line.repeat(
            lambda retries: self._line.once(request, until=until, retries=retries, explain=explain),
            until=until,
        )
        try:
            body = msgspec.json.decode(answer.body, type=_Granted)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise UnreadableAnswer("Greenhouse's token could not be read.") from error
        return body.access_token, body.life(self._wiring.now())

    def _introspect(self, token: str, until: float) -> Claims:
        try:
            answer = self._line.once(
                self._form("/introspect", {"token": token}),
                until=until,
                retries=0,
                explain=_explain_for(None),
            )
            body = msgspec.json.decode(answer.body)
        except (AtsError, msgspec.MsgspecError, UnicodeDecodeError):
            return Claims()
        usable = isinstance(body, dict) and body.get("active") is not False
        return _claims(body) if usable else Claims()

    def _form(self, path: str, form: dict[str, str]) -> Outgoing:
        return Outgoing(
            method="POST",
            url=self._wiring.auth_url.rstrip("/") + path,
            template=path,
            headers={
                "Authorization": self._client,
                "Content-Type": "application/x-www-form-urlencoded",
            },
            content=urlencode(form).encode(),
        )

    def _keep(self, sub: str | None, raw: bytes | None, ttl: float) -> None:
        self._wiring.tokens.update(self._key(sub), lambda _: (raw, None), ttl=ttl)

    def _key(self, sub: str | None) -> str:
        return f"{self._prefix}:{sub or 'service'}"


class _Granted(msgspec.Struct):
    """The token endpoint's answer; three names for its life have been seen."""

    access_token: str
    expires_at: str | int | float | None = None
    expires_in: str | int | float | None = None
    expires: str | int | float | None = None

    def life(self, now: float) -> float:
        """Seconds that the token lives from `now` on."""
        for value in (self.expires_at, self.expires_in, self.expires):
            seconds = _seconds(value, now)
            if seconds is not None and seconds > 0:
                return seconds
        return _ASSUMED_LIFE


def claims_of(token: str) -> Claims:
    """The scopes a JSON web token carries. It is decoded, not verified: only to explain."""
    try:
        part = token.split(".")[1]
        body = msgspec.json.decode(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    except (IndexError, ValueError, binascii.Error, msgspec.MsgspecError):
        return Claims()
    return _claims(body) if isinstance(body, dict) else Claims()


def _claims(body: dict[str, object]) -> Claims:
    site_admin = body.get("site_admin")
    named = next((body[name] for name in ("scope", "scopes", "scp") if body.get(name)), None)
    if isinstance(named, str):
        named = named.replace(",", " ").split()
    scopes = frozenset(str(one) for one in named) if isinstance(named, list) else None
    return Claims(scopes, site_admin if isinstance(site_admin, bool) else None)


def _seconds(value: str | int | float | None, now: float) -> float | None:
    if isinstance(value, str):
        read = moment(value)
        if read is not None:
            return read.timestamp() - now
        try:
            value = float(value)
        except ValueError:
            return None
    if value is None:
        return None
    return value - now if value > 10_000_000 else float(value)


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
